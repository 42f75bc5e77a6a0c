import type { Decision } from '../evaluation/decision.ts';
import { escapeControls } from '../explanation/escape-controls.ts';
import type { Explanation } from '../explanation/explanation.ts';
import { renderSummary } from '../explanation/render-explanation.ts';
import type { ConnectionGroup } from './connection-group.ts';
import type { Contradiction, UndecidedConnections, VerdictChange, WhatIfAnswer } from './what-if.ts';

/** Groups of a kind that are told; the data has all. */
const MOST_GROUPS = 20;
/** Unreadable lines that are told: they are mostly alike. */
const MOST_LINES = 3;
const INDENT = '    ';

/** The answer for a terminal: how many first, then each change with the gist of its explanation. Ends in a line break. */
export function renderWhatIf({ counts, changes, undecided, contradictions, unreadable }: WhatIfAnswer): string {
  const { connections, changed, unchanged } = counts;
  const head = `${connections} recorded ${connections === 1 ? 'connection' : 'connections'}`;
  const rest = counts.undecided === 0 ? '' : `, ${counts.undecided} undecided`;
  return [
    `${head}: ${changed} judged otherwise, ${unchanged} as before${rest}\n`,
    connections === 0 ? 'nothing was judged: the log has no inbound connections that policies were asked about\n' : '',
    renderUnreadable(unreadable),
    renderList(changes, renderChange),
    renderList(undecided, renderUndecided),
    renderList(contradictions, renderContradiction),
  ].join('');
}

function renderUnreadable({ count, first }: WhatIfAnswer['unreadable']): string {
  if (count === 0) return '';
  const told = first
    .slice(0, MOST_LINES)
    .map(({ line, reason }) => `${INDENT}line ${line}: ${escapeControls(reason)}\n`);
  return `${count} ${count === 1 ? 'line' : 'lines'} of the log cannot be read\n${told.join('')}`;
}

function renderList<T>(groups: readonly T[], render: (group: T) => string): string {
  const told = groups.slice(0, MOST_GROUPS).map((group) => `\n${render(group)}`);
  const more = groups.length - told.length;
  return `${told.join('')}${more > 0 ? `\n… and ${more} more of this kind\n` : ''}`;
}

function renderChange(change: VerdictChange): string {
  const { before, after, explanation } = change;
  return `${nameVerdict(before)} -> ${nameVerdict(after)}: ${describe(change)}\n${explanation ? summarize(explanation) : ''}`;
}

/** The rules one by one would be too much for a list. */
function summarize(explanation: Explanation): string {
  return `${renderSummary(explanation).replaceAll(/^(?=.)/gm, INDENT)}\n`;
}

function nameVerdict({ allowed }: Decision): string {
  return allowed ? 'allowed' : 'denied';
}

function renderUndecided(group: UndecidedConnections): string {
  const why =
    group.cause === 'port'
      ? `its verdict depends on the port of the pod, which the log does not tell: the tunnel was asked for ${escapeControls(group.sample.tunnelTarget ?? '')}`
      : 'the labels of the workload are not known, so neither are the policies that select it';
  return `undecided: ${describe(group)}\n${INDENT}${why}\n`;
}

function renderContradiction(group: Contradiction): string {
  const [then, now] = group.expected.allowed ? ['denied', 'allow'] : ['allowed', 'deny'];
  return `recorded otherwise: ${describe(group)}\n${INDENT}${group.contradicting} of ${group.count} were ${then}, which these policies ${now}: others were in force then\n`;
}

function describe({ sample, workload, count, lines }: ConnectionGroup): string {
  const { identity, sourceIp, destinationPort } = sample.connection;
  const who =
    identity === undefined
      ? `plain text from ${sourceIp}`
      : `${identity.trustDomain}/ns/${identity.namespace}/sa/${identity.serviceAccount} from ${sourceIp}`;
  const port = sample.portUncertain ? (sample.tunnelTarget ?? '') : `port ${destinationPort}`;
  const where = `${lines.join(', ')}${count > lines.length ? ', …' : ''}`;
  const times = count === 1 ? `line ${where}` : `${count} times: lines ${where}`;
  return escapeControls(`${who} to ${workload.namespace}/${workload.name}, ${port} (${times})`);
}
