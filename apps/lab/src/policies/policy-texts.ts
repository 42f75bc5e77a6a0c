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
  const said = faults.map(({ place, message }) => `${place}: not YAML: ${message}`);
  throw new LabError('LAB_POLICY_INVALID', said.join('; '));
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
  const said = refused.map((refusal) => renderRefusal(refusal, documents[refusal.index]));
  const taken = changes.map(({ object, change }) => `${object} ${change}`);
  throw new LabError('LAB_POLICY_INVALID', [...said, ...taken].join('; '));
}

function renderRefusal({ object, problems, previous }: RefusedPolicy, document: YamlDocument | undefined): string {
  const said = problems.map(({ path, message }) => {
    const place = document === undefined ? '' : `${document.locate(path)}: `;
    return `${place}${path === '' ? '' : `${path}: `}${message}`;
  });
  return `${object} refused${previous ? ', its previous version stays in force' : ''}: ${said.join(', ')}`;
}
