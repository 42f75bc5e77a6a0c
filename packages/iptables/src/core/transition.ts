import { compareOwned, type OwnedJump, type OwnedTable } from './ownership.ts';

/** Where {@link renderTransition} puts the rules that lead into owned chains. */
export type JumpPlacement = 'append' | 'original';

/**
 * Restore text that turns the owned part of `current` into that of `wanted` and touches nothing else; tables that are
 * the same already are not mentioned, so it is empty when there is nothing to do. Each table changes in one
 * transaction: a chain is refilled (`:CHAIN`), never absent in between. `original` puts jumps back at the positions
 * they have in `wanted`, for undoing.
 */
export function renderTransition(
  current: readonly OwnedTable[],
  wanted: readonly OwnedTable[],
  placement: JumpPlacement = 'append',
): string {
  return wanted
    .map((want) => {
      const have = current.find(({ name }) => name === want.name) ?? { name: want.name, chains: new Map(), jumps: [] };
      if (compareOwned([have], [want]).length === 0) return '';
      return `${[`* ${want.name}`, ...transitionLines(have, want, placement), 'COMMIT'].join('\n')}\n`;
    })
    .join('');
}

function transitionLines(have: OwnedTable, want: OwnedTable, placement: JumpPlacement): readonly string[] {
  const dropped = [...have.chains.keys()].filter((name) => !want.chains.has(name));
  const jumpsChange = sortedTexts(have.jumps) !== sortedTexts(want.jumps);
  return [
    // With --noflush this line creates the chain, or empties it if it exists.
    ...[...want.chains.keys()].map((name) => `:${name} - [0:0]`),
    ...(jumpsChange ? have.jumps.map(({ text }) => `-D ${text}`) : []),
    ...dropped.map((name) => `-F ${name}`),
    ...dropped.map((name) => `-X ${name}`),
    ...[...want.chains.values()].flat(),
    ...(jumpsChange ? want.jumps.map((jump) => addJump(jump, placement)) : []),
  ];
}

function sortedTexts(jumps: readonly OwnedJump[]): string {
  return jumps
    .map(({ text }) => text)
    .toSorted()
    .join('\n');
}

function addJump({ text, chain, position }: OwnedJump, placement: JumpPlacement): string {
  return placement === 'append' ? `-A ${text}` : `-I ${chain} ${position}${text.slice(chain.length)}`;
}
