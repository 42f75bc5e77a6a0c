import type { Service } from './service.ts';

/**
 * Which of several services of one address or hostname a client in `namespace` means (spec ztunnel.md §6.3): those it
 * may not see are dropped; its own namespace wins, then a canonical one (the last of several), then `preferred`, then
 * the first.
 */
export function bestService(
  services: readonly Service[],
  namespace: string,
  preferredNamespace?: string,
): Service | undefined {
  let canonical: Service | undefined;
  let inPreferred: Service | undefined;
  let first: Service | undefined;
  for (const service of services) {
    if (service.visibility === 'Namespace' && service.namespace !== namespace) continue;
    if (service.namespace === namespace) return service;
    if (service.canonical) canonical = service;
    if (service.namespace === preferredNamespace) inPreferred ??= service;
    first ??= service;
  }
  return canonical ?? inPreferred ?? first;
}
