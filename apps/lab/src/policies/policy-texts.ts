import { parseYamlDocuments, type YamlDocument } from '@ambientmesh/policy/documents';
import { LabError } from '../errors.ts';
import type { PolicyReport, RefusedPolicy } from './policy-report.ts';
import { PolicyStore } from './policy-store.ts';

/** Policy objects as somebody wrote them: YAML of one or more documents, with the name of its file if it has one. */
export type PolicyText = string | { readonly text: string; readonly file: string };

/** Reads the objects of all `texts`. Throws LAB_POLICY_INVALID for what is not YAML. */
export function readPolicyTexts(texts: readonly PolicyText[]): readonly YamlDocument[] {
  const documents = texts.flatMap((given) => {
    const { text, file } = typeof given === 'string' ? { text: given, file: 'policies' } : given;
    return parseYamlDocuments(file, text);
  });
  const faults = documents.flatMap((document) => document.faults);
  if (faults.length === 0) return documents;
  const details = faults.map(({ place, message }) => `${place}: ${message}`);
  throw new LabError('LAB_POLICY_INVALID', 'not YAML', { details });
}

/** Reads the objects for a lab that is to begin with them. Throws LAB_POLICY_INVALID, also if one would be refused. */
export function readCheckedPolicies(texts: readonly PolicyText[]): readonly unknown[] {
  const documents = readPolicyTexts(texts);
  const values = documents.map(({ value }) => value);
  throwIfRefused(documents, new PolicyStore().apply(values));
  return values;
}

/** Throws LAB_POLICY_INVALID that names every mistake with its place, and what was taken nevertheless. */
export function throwIfRefused(
  documents: readonly YamlDocument[],
  { changes, refused }: Pick<PolicyReport, 'changes' | 'refused'>,
): void {
  if (refused.length === 0) return;
  const said = refused.flatMap((refusal) => describeRefusal(refusal, documents[refusal.index]));
  const taken = changes.map(({ object, change }) => `${object} ${change}`);
  const summary = `${refused.length} of ${documents.length} policies refused`;
  throw new LabError('LAB_POLICY_INVALID', summary, { details: [...said, ...taken] });
}

/** A line for each mistake, as compilers do it. */
function describeRefusal({ object, problems, previous }: RefusedPolicy, document?: YamlDocument): readonly string[] {
  const lines = problems.map(({ path, message }) =>
    [document?.locate(path), object, path, message].filter((part) => part !== undefined && part !== '').join(': '),
  );
  return previous ? [...lines, `${object}: its previous version stays in force`] : lines;
}
