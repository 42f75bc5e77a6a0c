import { renderExplanation, type SourceIdentity } from '@ambientmesh/policy';
import type { Denial } from '../../data-plane/protocol.ts';
import type { Listed } from '../data-threads.ts';
import type { Answer } from './http-listener.ts';
import { readLimit } from './page-limit.ts';
import { escapeControl, renderTime, textOrJson } from './text-page.ts';

/** An explanation that is older than the last denial by more says of what time it is. */
const currentMs = 60_000;

const kinds: Readonly<Record<Denial['kind'], string>> = {
  refused: 'refused',
  cut: 'cut by a change of policies',
  shadow: 'passed, dry-run policies would deny',
};

/**
 * `/debug/denials`: recent connections that policies denied, why, and what would have let them pass. The latest first;
 * `?pod=namespace/name` shows those of one pod; of many only the first are shown, `?limit=n` says how many. Status 503 and
 * the names of the data threads that do not answer, before what the others tell: theirs are missing.
 */
export function denialsPage(url: URL, { found: denials, silent }: Listed<readonly Denial[]>): Answer {
  const limit = readLimit(url);
  if (typeof limit !== 'number') return limit;
  const wanted = url.searchParams.get('pod') ?? '';
  const found = wanted === '' ? denials : denials.filter(({ pod }) => `${pod.namespace}/${pod.name}` === wanted);
  const shown = found.slice(0, limit);
  const answer = textOrJson(
    url,
    () =>
      renderSilent(silent) +
      (found.length === 0 ? renderNone(wanted, silent) : shown.map(renderDenial).join('\n') + renderMore(shown, found)),
    () => ({
      silentDataThreads: silent,
      denialCount: found.length,
      denials: shown.map(describeDenial),
    }),
  );
  return answer.status === 200 && silent.length > 0 ? { ...answer, status: 503 } : answer;
}

function renderSilent(silent: readonly number[]): string {
  return silent.map((thread) => `data thread ${thread} does not answer: what it has denied is missing here\n`).join('');
}

function renderMore(shown: readonly Denial[], found: readonly Denial[]): string {
  if (shown.length === found.length) return '';
  return `\n${shown.length} of ${found.length} denials shown: narrow with ?pod=N/P, or raise ?limit=N\n`;
}

function renderNone(wanted: string, silent: readonly number[]): string {
  const where = silent.length === 0 ? '' : ' by a data thread that answers';
  return `no connection${wanted === '' ? '' : ` to ${escapeControl(wanted)}`} has been denied${where}\n`;
}

function renderDenial(denial: Denial): string {
  const { kind, pod, count, firstEpochMs, lastEpochMs, explanation } = denial;
  const times = count === 1 ? '' : `, ${count} times since ${renderTime(firstEpochMs)}`;
  const details = explanation === undefined ? renderUnexplained(denial) : renderExplanation(explanation);
  const lines = [
    `${renderTime(lastEpochMs)} ${pod.namespace}/${pod.name}: ${kinds[kind]}${times}`,
    ...renderAge(denial).map((line) => `  ${line}`),
    ...details
      .trimEnd()
      .split('\n')
      .map((line) => (line === '' ? '' : `  ${line}`)),
  ];
  return lines.map((line) => `${escapeControl(line)}\n`).join('');
}

/** What tells that an explanation may not be that of the last denial. */
function renderAge({ lastEpochMs, explainedEpochMs, explanation, unexplained }: Denial): string[] {
  if (explanation === undefined || explainedEpochMs === undefined) return [];
  const asOf = `explained as of ${renderTime(explainedEpochMs)}`;
  if (unexplained !== undefined) return [`(${asOf}; not explained since: ${unexplained})`];
  return lastEpochMs - explainedEpochMs > currentMs ? [`(${asOf})`] : [];
}

function renderUnexplained({ connection, reason, unexplained }: Denial): string {
  const { identity, sourceIp, destinationIp, destinationPort } = connection;
  const client = identity === undefined ? `plain text from ${sourceIp}` : `${principalOf(identity)} (${sourceIp})`;
  const host = destinationIp.includes(':') ? `[${destinationIp}]` : destinationIp;
  return `${client} -> ${host}:${destinationPort}: ${reason}\n(not explained: ${unexplained ?? 'too many others were denied at that time'})`;
}

/** As policies write it. */
function principalOf({ trustDomain, namespace, serviceAccount }: SourceIdentity): string {
  return `${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

function describeDenial(denial: Denial): unknown {
  const { firstEpochMs, lastEpochMs, connection, explanation, explainedEpochMs, unexplained, ...rest } = denial;
  const { identity, ...addresses } = connection;
  return {
    ...rest,
    text: renderDenial(denial),
    first: renderTime(firstEpochMs),
    last: renderTime(lastEpochMs),
    connection: { principal: identity === undefined ? null : principalOf(identity), ...addresses },
    explanation: explanation ?? null,
    explained: explainedEpochMs === undefined ? null : renderTime(explainedEpochMs),
    unexplained: unexplained ?? null,
  };
}
