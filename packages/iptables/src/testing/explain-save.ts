import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { explainPacket } from '../core/explain/explain-packet.ts';
import type { Explanation } from '../core/explain/explanation.ts';
import { parsePacket } from '../core/explain/parse-packet.ts';
import { parseSave } from '../core/parse-save.ts';

/** One of the rule sets of `fixtures`. */
export const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../../fixtures', name), 'utf8');
/** What becomes of `packet` with the rules of `save`. */
export const explain = (save: string, packet: string): Explanation => {
  const parsed = parsePacket(packet);
  return explainPacket(parseSave(save, parsed.family ?? 'ipv4'), parsed);
};
/** A table `filter` with these rules. */
export const filter = (...lines: string[]) =>
  `*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n${lines.join('\n')}\nCOMMIT\n`;
/** Texts of all ends. */
export const ends = (explanation: Explanation) => explanation.ends.map(({ text }) => text);
/** Rules in the order met: `+ nat ISTIO_OUTPUT 2`. */
export const met = ({ steps }: Explanation, signs = '+-?~') =>
  steps.flatMap((step) => {
    if (step.step !== 'rule') return [];
    const sign = { matched: '+', 'not-matched': '-', undecided: '?', depends: '~' }[step.result];
    return signs.includes(sign) ? [`${sign} ${step.table} ${step.chain} ${step.number}`] : [];
  });
