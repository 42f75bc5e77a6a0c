import type { Attack } from './attack.ts';
import { FLOOD_ATTACKS } from './flood-attacks.ts';
import { HEADER_ATTACKS } from './header-attacks.ts';
import { STATE_ATTACKS } from './state-attacks.ts';
import { WINDOW_ATTACKS } from './window-attacks.ts';

/** Every attack; names are unique. */
export const ATTACKS: readonly Attack[] = [...FLOOD_ATTACKS, ...HEADER_ATTACKS, ...WINDOW_ATTACKS, ...STATE_ATTACKS];
