import { builtInChains } from './builtin-chains.ts';
import type { Table } from './rule.ts';

/** Built-in chains whose packets get to each chain, by jumps and gotos of the table's own rules. */
export function hooksByChain(table: Table): ReadonlyMap<string, ReadonlySet<string>> {
  const followers = followersByChain(table);
  const hooks = new Map<string, Set<string>>();
  for (const hook of builtInChains(table.name)) {
    const waiting = [hook];
    for (let chain = waiting.pop(); chain !== undefined; chain = waiting.pop()) {
      const known = hooks.get(chain) ?? new Set();
      if (known.has(hook)) continue;
      hooks.set(chain, known.add(hook));
      waiting.push(...(followers.get(chain) ?? []));
    }
  }
  return hooks;
}

/** Chains that some rule of the table leads to. */
export function chainsLedTo(table: Table): ReadonlySet<string> {
  return new Set([...followersByChain(table).values()].flatMap((followers) => [...followers]));
}

/** A circle of chains that lead into each other, the first one also last; undefined where there is none. */
export function findLoop(table: Table): readonly string[] | undefined {
  const followers = followersByChain(table);
  const done = new Set<string>();
  for (const start of followers.keys()) {
    const loop = followPath(start, followers, done);
    if (loop !== undefined) return loop;
  }
  return undefined;
}

/** Walks without recursion: a chain of jumps may be as long as the text it was read from. */
function followPath(
  start: string,
  followers: ReadonlyMap<string, ReadonlySet<string>>,
  done: Set<string>,
): readonly string[] | undefined {
  const path: string[] = [];
  const onPath = new Set<string>();
  const left: Iterator<string>[] = [];
  const enter = (chain: string) => {
    path.push(chain);
    onPath.add(chain);
    left.push((followers.get(chain) ?? new Set<string>()).values());
  };
  if (!done.has(start)) enter(start);
  for (let at = left.at(-1); at !== undefined; at = left.at(-1)) {
    const next = at.next();
    if (next.done === true) {
      left.pop();
      const chain = path.pop() ?? '';
      onPath.delete(chain);
      done.add(chain);
    } else if (onPath.has(next.value)) {
      return [...path.slice(path.indexOf(next.value)), next.value];
    } else if (!done.has(next.value)) {
      enter(next.value);
    }
  }
  return undefined;
}

function followersByChain(table: Table): ReadonlyMap<string, ReadonlySet<string>> {
  const followers = new Map<string, Set<string>>();
  for (const { chain, target } of table.rules) {
    if (target?.target !== 'jump' && target?.target !== 'goto') continue;
    followers.set(chain, (followers.get(chain) ?? new Set()).add(target.chain));
  }
  return followers;
}
