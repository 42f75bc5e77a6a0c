import { matchesNamespace, matchesPrincipal } from '../matching/field-value.ts';
import type { Subject } from '../matching/subject.ts';
import type { Match, Rule, StringMatch } from '../policy.ts';

/** Pairs of entries that are compared: rules made by programs may have thousands. */
const MOST_PAIRS = 256;

/**
 * What keeps a rule from ever holding, as its conditions exclude each other; undefined if nothing is found. Ports are
 * compared, and namespaces with principals, of each two parts of the rule.
 */
export function findContradiction(rule: Rule): string | undefined {
  for (const [index, clause] of rule.entries())
    for (const other of rule.slice(index)) {
      if (clause.length === 0 || other.length === 0 || clause.length * other.length > MOST_PAIRS) continue;
      const pairs = clause.flatMap((match) => (other === clause ? [[match]] : other.map((second) => [match, second])));
      if (pairs.every(lackPort)) return 'its conditions on the destination port exclude each other';
      if (pairs.every(lackClient)) return 'its conditions on the client exclude each other';
    }
  return undefined;
}

function lackPort(matches: readonly Match[]): boolean {
  const wanted = matches.flatMap(({ destinationPorts }) => destinationPorts ?? []);
  const holds = (port: number): boolean =>
    matches.every(
      ({ destinationPorts, notDestinationPorts }) =>
        (destinationPorts?.includes(port) ?? true) && !notDestinationPorts?.includes(port),
    );
  return wanted.length > 0 && !wanted.some(holds);
}

/** Only clients that are named can be tried: by whole principals, else by whole namespaces. */
function lackClient(matches: readonly Match[]): boolean {
  const principals = matches.flatMap((match) => wholeTexts(match.principals));
  if (principals.length > 0) return !principals.some((text) => fitsAll(matches, readClient(text)));
  const namespaces = matches.flatMap((match) => wholeTexts(match.namespaces));
  const isNamed = (namespace: string): boolean =>
    matches.every((match) => fitsNamespaces(match, { ...NOBODY, namespace }));
  return namespaces.length > 0 && !namespaces.some(isNamed);
}

/** Values of a list that has no patterns; none if it has one, which may hold for somebody else. */
function wholeTexts(list: readonly StringMatch[] = []): readonly string[] {
  const texts = list.flatMap((pattern) => (pattern.kind === 'exact' ? pattern.value : []));
  return texts.length === list.length ? texts : [];
}

type Client = Pick<Subject, 'namespace' | 'principal'>;

const NOBODY: Subject = {
  identity: undefined,
  namespace: '',
  principal: undefined,
  sourceIp: { family: 4, words: [0, 0, 0, 0] },
  destinationIp: { family: 4, words: [0, 0, 0, 0] },
  destinationPort: 0,
};

function readClient(principal: string): Client {
  return { principal, namespace: /^[^/]+\/ns\/([^/]+)\//.exec(principal)?.[1] ?? '' };
}

function fitsAll(matches: readonly Match[], client: Client): boolean {
  const subject = { ...NOBODY, ...client };
  return matches.every(
    (match) =>
      (match.principals?.some((pattern) => matchesPrincipal(pattern, subject)) ?? true) &&
      !match.notPrincipals?.some((pattern) => matchesPrincipal(pattern, subject)) &&
      fitsNamespaces(match, subject),
  );
}

function fitsNamespaces({ namespaces, notNamespaces }: Match, subject: Subject): boolean {
  return (
    (namespaces?.some((pattern) => matchesNamespace(pattern, subject)) ?? true) &&
    !notNamespaces?.some((pattern) => matchesNamespace(pattern, subject))
  );
}
