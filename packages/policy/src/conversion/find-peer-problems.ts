import { findSelectorProblems } from './find-selector-problems.ts';
import type { PeerAuthentication } from './policy-object.ts';
import type { ProblemList } from './problem-list.ts';
import { readPort } from './read-values.ts';

/** Tells what is wrong with the values of a PeerAuthentication (spec istiod.md §6.3, §6.4 B). */
export function findPeerProblems(
  { metadata, spec = {} }: PeerAuthentication,
  rootNamespace: string,
  problems: ProblemList,
): void {
  const { selector, portLevelMtls } = spec;
  const selects = Object.keys(selector?.matchLabels ?? {}).length > 0;
  findSelectorProblems(selector, problems);
  if (selector !== undefined && !selects)
    problems.warn('spec.selector', 'is empty, so the object is for its whole namespace: leave it out to say so');
  if (selects && metadata.namespace === rootNamespace)
    problems.warn('spec.selector', `in the root namespace ${rootNamespace} an object for some workloads has no effect`);
  for (const port of Object.keys(portLevelMtls ?? {}))
    if (!readPort(port)) problems.fail(`spec.portLevelMtls[${JSON.stringify(port)}]`, 'want a port from 1 to 65535');
  if (portLevelMtls === undefined) return;
  if (Object.keys(portLevelMtls).length === 0)
    problems.fail('spec.portLevelMtls', 'is empty: want a port, or leave it out');
  else if (!selects) problems.fail('spec.portLevelMtls', 'ports want a selector that has labels');
}
