/** A name under which a service may be known, made from the one that was asked for. */
export interface CandidateName {
  readonly name: string;
  /** What was left after a search domain had been taken off; undefined if none was. */
  readonly stripped: string | undefined;
}

/** Where short names are looked for. All names here are lower case, without the last dot. */
export interface NameScope {
  /** Namespace of the client. */
  readonly namespace: string;
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** Domains that the client's own resolver appends, the most specific first. */
  readonly searchDomains: readonly string[];
}

/** The search list that Kubernetes gives to a pod of this namespace. */
export function kubernetesSearchDomains(namespace: string, clusterDomain: string): readonly string[] {
  return [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
}

/**
 * The names to look up for `name`, in order and without repetition: itself, its Kubernetes expansions, then the same for
 * what is left of it without each search domain (spec ztunnel.md §9).
 */
export function candidateNames(name: string, scope: NameScope): readonly CandidateName[] {
  const candidates = new Map<string, CandidateName>();
  const add = (candidate: string, stripped: string | undefined): void => {
    if (!candidates.has(candidate)) candidates.set(candidate, { name: candidate, stripped });
  };
  add(name, undefined);
  for (const expansion of kubernetesExpansions(name, scope)) add(expansion, undefined);
  for (const domain of scope.searchDomains) {
    if (!name.endsWith(`.${domain}`)) continue;
    const stripped = name.slice(0, -domain.length - 1);
    add(stripped, stripped);
    for (const expansion of kubernetesExpansions(stripped, scope)) add(expansion, stripped);
  }
  return [...candidates.values()];
}

/** The full names that `name` abbreviates for a client of the scope's namespace, by its number of labels. */
export function kubernetesExpansions(name: string, scope: Omit<NameScope, 'searchDomains'>): readonly string[] {
  const { namespace, clusterDomain } = scope;
  const labels = name.split('.');
  const endsInSvc = labels.at(-1) === 'svc';
  switch (labels.length) {
    case 1:
      return name === '' ? [] : [`${name}.${namespace}.svc.${clusterDomain}`];
    case 2:
      return [`${name}.svc.${clusterDomain}`, `${name}.${namespace}.svc.${clusterDomain}`];
    case 3:
      return endsInSvc
        ? [`${name}.${clusterDomain}`, `${name}.svc.${clusterDomain}`]
        : [`${name}.svc.${clusterDomain}`];
    case 4:
      return endsInSvc ? [`${name}.${clusterDomain}`] : [];
    default:
      return [];
  }
}

/** `a.b.c` as `a.b.c`, `*.b.c`, `*.c`: the order in which services are searched. */
export function wildcardsOf(name: string): readonly string[] {
  const searched = [name];
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) searched.push(`*${name.slice(dot)}`);
  return searched;
}

/** Whether `name` stands for all names below another. */
export function isWildcard(name: string): boolean {
  return name.startsWith('*.');
}
