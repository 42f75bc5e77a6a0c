import { readdirSync, readFileSync } from 'node:fs';

/** What of the machine's own network a lab could disturb. */
export interface HostState {
  readonly interfaces: readonly string[];
  readonly namespaces: readonly string[];
}

/** Reads interfaces and named network namespaces of the namespace this process is in. */
export function readHostState(): HostState {
  return { interfaces: listInterfaces(readFileSync('/proc/self/net/dev', 'utf8')), namespaces: listNamespaces() };
}

/** What is in `after` but not in `before`, or the other way round. */
export function compareHostState(before: HostState, after: HostState): string[] {
  return (['interfaces', 'namespaces'] as const).flatMap((kind) => [
    ...after[kind].filter((name) => !before[kind].includes(name)).map((name) => `${kind}: ${name} is new`),
    ...before[kind].filter((name) => !after[kind].includes(name)).map((name) => `${kind}: ${name} is gone`),
  ]);
}

function listInterfaces(text: string): string[] {
  return text
    .split('\n')
    .slice(2)
    .map((line) => line.split(':')[0]?.trim() ?? '')
    .filter((name) => name !== '');
}

function listNamespaces(): string[] {
  try {
    return readdirSync('/run/netns');
  } catch {
    return [];
  }
}
