import { IptablesError } from '../errors.ts';

const HIGHEST_OCTET = 255;
const HIGHEST_COUNT = 0xffff_ffff;
/** Quotes, backslash, and of ASCII all that is not printed. */
const NOT_IN_WORDS = /["'\\]|[^!-~\u0080-\uffff]/;

/** Returns a name that must stay one word: user input could otherwise add options or whole rules. Throws `IPTABLES_RULE_INVALID`. */
export function word(text: string): string {
  if (!isWord(text))
    throw new IptablesError('IPTABLES_RULE_INVALID', `${JSON.stringify(text)}: want one word without quotes`);
  return text;
}

/** Returns text that cannot end the rule it is in. Throws `IPTABLES_RULE_INVALID`. */
export function oneLine(text: string): string {
  // iptables-restore ends a rule at a line break even inside quotes.
  if (text === '' || /[\n\r\0]/.test(text))
    throw new IptablesError('IPTABLES_RULE_INVALID', `${JSON.stringify(text)}: want text on one line`);
  return text;
}

/** Free text as `xtables_save_string` writes it: anything but letters, digits, `_` and `-` is quoted. Throws `IPTABLES_RULE_INVALID`. */
export function quote(text: string): string {
  if (/^[-_0-9a-zA-Z]+$/.test(text)) return text;
  if (text !== '' && !/["'\\\n\r\0]/.test(text)) return `"${text}"`;
  return `"${oneLine(text).replaceAll(/["'\\]/g, (char) => `\\${char}`)}"`;
}

/** A number of one byte. Throws `IPTABLES_RULE_INVALID`, which says `what` it is. */
export function octet(value: number, what: string): string {
  if (!Number.isInteger(value) || value < 0 || value > HIGHEST_OCTET)
    throw new IptablesError('IPTABLES_RULE_INVALID', `${what} ${value}: want an integer from 0 to ${HIGHEST_OCTET}`);
  return `${value}`;
}

/** A number of four bytes. Throws `IPTABLES_RULE_INVALID`, which says `what` it is. */
export function count(value: number, what: string): string {
  if (!Number.isInteger(value) || value < 0 || value > HIGHEST_COUNT)
    throw new IptablesError('IPTABLES_RULE_INVALID', `${what} ${value}: want an unsigned 32-bit integer`);
  return `${value}`;
}

/** `! ` before what is turned around. */
export function not(negated: true | undefined): string {
  return negated ? '! ' : '';
}

/** Whether text is one word to the tools, and no option. */
export function isWord(text: string): boolean {
  return text !== '' && !text.startsWith('-') && !text.startsWith('!') && !NOT_IN_WORDS.test(text);
}
