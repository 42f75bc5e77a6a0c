import { count, not } from '../render-words.ts';
import type { OwnerMatch } from '../rule.ts';
import type { MatchKind } from './match-kind.ts';

const OPTIONS = { user: '--uid-owner', group: '--gid-owner' } as const;
/** The highest number of 32 bits is "no id" to the kernel. */
const HIGHEST_ID = 0xffff_fffe;
const HOOKS: readonly string[] = ['OUTPUT', 'POSTROUTING'];

/** Packets of sockets of a user, or of the users `first` to `last`, by number; OUTPUT and POSTROUTING only. */
export function ownedByUser(first: number, last?: number): OwnerMatch {
  return { match: 'owner', by: 'user', first, ...(last === undefined ? {} : { last }) };
}

/** Packets of sockets of a group, or of the groups `first` to `last`, by number; OUTPUT and POSTROUTING only. */
export function ownedByGroup(first: number, last?: number): OwnerMatch {
  return { match: 'owner', by: 'group', first, ...(last === undefined ? {} : { last }) };
}

/** Packets of a socket of this machine rather than of the kernel; OUTPUT and POSTROUTING only. */
export function fromSocket(): OwnerMatch {
  return { match: 'owner', by: 'socket-exists' };
}

/** `-m owner`. */
export const OWNER: MatchKind<OwnerMatch> = {
  render(match) {
    if (match.by === 'socket-exists') return `-m owner ${not(match.negated)}--socket-exists`;
    const last = match.last === undefined ? '' : `-${count(match.last, `${match.by} id`)}`;
    return `-m owner ${not(match.negated)}${OPTIONS[match.by]} ${count(match.first, `${match.by} id`)}${last}`;
  },
  parse([option]) {
    if (option === undefined) return undefined;
    const negated = option.negated ? ({ negated: true } as const) : {};
    if (option.name === '--socket-exists') return { match: 'owner', by: 'socket-exists', ...negated };
    const by = option.name === '--uid-owner' ? 'user' : 'group';
    const found = /^(\d+)(?:-(\d+))?$/.exec(option.values[0] ?? '');
    if (option.name !== OPTIONS[by] || found === null) return undefined;
    const last = found[2] === undefined ? {} : { last: Number(found[2]) };
    return { match: 'owner', by, first: Number(found[1]), ...last, ...negated };
  },
  list(match) {
    if (match.by === 'socket-exists' || match.last !== match.first) return match;
    const { last: _last, ...single } = match;
    return single;
  },
  check(match, { hooks }) {
    const wrong = [...hooks].find((hook) => !HOOKS.includes(hook));
    if (wrong !== undefined) return `only packets of this machine have an owner, those of ${wrong} may have none`;
    if (match.by === 'socket-exists') return undefined;
    const { first, last = first } = match;
    if (last > HIGHEST_ID) return `id ${last}: want at most ${HIGHEST_ID}`;
    return last < first ? `ids ${first} to ${last}: want the lower one first` : undefined;
  },
};
