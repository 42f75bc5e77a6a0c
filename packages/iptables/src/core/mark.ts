import { IptablesError } from '../errors.ts';

/** A packet or connection mark with the bits that count: `{ value: 0x539, mask: 0xfff }` is written `0x539/0xfff`. */
export interface Mark {
  /** Unsigned, 32 bits. */
  readonly value: number;
  /** Unsigned, 32 bits; {@link FULL_MASK} compares or sets every bit. */
  readonly mask: number;
}

/** Every bit of a mark. */
export const FULL_MASK = 0xffff_ffff;

/** `0x539/0xfff`. Throws `IPTABLES_RULE_INVALID` for numbers that are not unsigned 32 bits. */
export function renderMark(mark: Mark): string {
  return `${renderMask(mark.value)}/${renderMask(mark.mask)}`;
}

/** As the mark matches print themselves: without a mask that covers every bit. Throws like {@link renderMark}. */
export function renderMarkMatch(mark: Mark): string {
  return mark.mask === FULL_MASK ? renderMask(mark.value) : renderMark(mark);
}

/** One 32-bit number as lower-case hexadecimal with `0x`. Throws `IPTABLES_RULE_INVALID` outside of that range. */
export function renderMask(value: number): string {
  if (!Number.isInteger(value) || value < 0 || value > FULL_MASK)
    throw new IptablesError('IPTABLES_RULE_INVALID', `mark ${value}: want an unsigned 32-bit integer`);
  return `0x${value.toString(16)}`;
}

/** Reads `0x539/0xfff` or `0x539` (all bits); undefined for anything else. */
export function parseMark(text: string): Mark | undefined {
  const found = /^(0x[0-9a-f]{1,8})(?:\/(0x[0-9a-f]{1,8}))?$/.exec(text);
  if (found === null) return undefined;
  return { value: Number(found[1]), mask: found[2] === undefined ? FULL_MASK : Number(found[2]) };
}
