import { renderRule } from '../render-rule.ts';
import type { Rule } from '../rule.ts';
import type { Explanation, PossibleEnd, Step } from './explanation.ts';
import type { Endpoint, Packet } from './packet.ts';

const SIGNS = { matched: '+', 'not-matched': '-', undecided: '?', depends: '~' } as const;
/** Of an end that depends on more, the rest is counted. */
const MOST_ASSUMPTIONS = 12;
/** Chains may be nested as deep as a save is long. */
const DEEPEST_INDENT = 32;

/**
 * The explanation for people: the packet, one line for each rule met (`+` matched, `-` not, `?` cannot be said, `~`
 * in some of the cases still possible), its ends with what they depend on, and notes. Ends in a line break.
 */
export function renderExplanation(explanation: Explanation): string {
  const { ends, notes } = explanation;
  const lines = [renderPacket(explanation.packet), '', ...explanation.steps.map(renderStep), ''];
  if (explanation.decided && ends[0] !== undefined) lines.push(`End: ${renderEnd(ends[0])}`);
  else {
    lines.push(`Not decided: ${ends.length} possible ${ends.length === 1 ? 'end' : 'ends'}`);
    for (const [index, end] of ends.entries()) lines.push(`${index + 1}. ${renderEnd(end)}`, ...renderConditions(end));
  }
  if (notes.length > 0) lines.push('', ...notes.map((note) => `Note: ${note}`));
  return `${lines.join('\n')}\n`;
}

/** The rule as `iptables-save` writes it; never throws, for an explanation must not fail at its last line. */
export function describeRule(rule: Rule): string {
  try {
    return renderRule({ ...rule, chain: 'X' }).replace(/^(?:-A X|-I X \d+) ?/, '');
  } catch {
    return '(a rule that cannot be written)';
  }
}

function renderPacket(packet: Packet): string {
  const words = [`${packet.protocol} from ${endpoint(packet.source)} to ${endpoint(packet.destination)}`];
  if (packet.origin === 'local') words.push('made here');
  else words.push(packet.inInterface === undefined ? 'in by an unknown interface' : `in by ${packet.inInterface}`);
  if (packet.toThisMachine) words.push('for this machine');
  if (packet.outInterface !== undefined) words.push(`out by ${packet.outInterface}`);
  words.push(`mark 0x${packet.mark.toString(16)}`, `connection mark 0x${packet.connectionMark.toString(16)}`);
  words.push(`state ${[packet.state, ...packet.translated].join(',')}`);
  if (packet.userId !== undefined) words.push(`uid ${packet.userId}`);
  if (packet.groupId !== undefined) words.push(`gid ${packet.groupId}`);
  return words.join(', ');
}

function endpoint({ address, port }: Endpoint): string {
  if (address === undefined) return '?';
  if (port === undefined) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function renderStep(step: Step): string {
  switch (step.step) {
    case 'chain':
      return `${step.table} ${step.chain}${step.skipped === undefined ? '' : `: not passed, ${step.skipped}`}`;
    case 'policy':
      return `  = ${step.table} ${step.chain} policy ${step.policy}`;
    case 'routing':
      return step.text;
    case 'rule': {
      const place = `${step.table} ${step.chain} ${step.number}`;
      const notes = [step.reason, step.change ?? ''].filter((text) => text !== '');
      const why = notes.length === 0 ? '' : `  (${notes.join('; ')})`;
      return `${'  '.repeat(Math.min(step.depth + 1, DEEPEST_INDENT))}${SIGNS[step.result]} ${place}: ${describeRule(step.rule)}${why}`;
    }
  }
}

function renderEnd({ text, packet }: PossibleEnd): string {
  if (packet.mark === undefined && packet.connectionMark === undefined) return text;
  const mark = packet.mark === undefined ? 'not known' : `0x${packet.mark.toString(16)}`;
  const connectionMark = packet.connectionMark === undefined ? 'not known' : `0x${packet.connectionMark.toString(16)}`;
  return `${text} (mark ${mark}, connection mark ${connectionMark})`;
}

function renderConditions(end: PossibleEnd): readonly string[] {
  const lines = end.conditions.map((assumptions, index) => {
    const kept = assumptions.slice(-MOST_ASSUMPTIONS).map(({ text, because }) => `${text} (${because})`);
    const more = assumptions.length - kept.length;
    const rest = more > 0 ? `${more} more before, and ` : '';
    return `   ${index === 0 ? 'if' : 'or if'} ${rest}${kept.join(', and ')}`;
  });
  if (end.conditions.some((assumptions) => assumptions.length === 0))
    return end.incomplete ? ['   (what it depends on is too much to tell)'] : [];
  return end.incomplete ? [...lines, '   (it depends on more than this)'] : lines;
}
