import { renderExplanation, type SourceIdentity } from '@ambientmesh/policy';
import type { Denial } from '../../data-plane/protocol.ts';
import type { Answer } from './http-listener.ts';
import { escapeControl, renderTime, textOrJson } from './text-page.ts';

const kinds: Readonly<Record<Denial['kind'], string>> = {
  refused: 'refused',
  cut: 'cut by a change of policies',
  shadow: 'passed, dry-run policies would deny',
};

/**
 * `/debug/denials`: recent connections that policies denied, why, and what would have let them pass. The latest first;
 * `?pod=namespace/name` shows those of one pod.
 */
export function denialsPage(url: URL, denials: readonly Denial[]): Answer {
  const wanted = url.searchParams.get('pod') ?? '';
  const shown = wanted === '' ? denials : denials.filter(({ pod }) => `${pod.namespace}/${pod.name}` === wanted);
  return textOrJson(
    url,
    () => (shown.length === 0 ? renderNone(wanted) : shown.map(renderDenial).join('\n')),
    () => ({ denials: shown.map(describeDenial) }),
  );
}

function renderNone(wanted: string): string {
  return `no connection${wanted === '' ? '' : ` to ${escapeControl(wanted)}`} has been denied\n`;
}

function renderDenial(denial: Denial): string {
  const { kind, pod, count, firstEpochMs, lastEpochMs, explanation } = denial;
  const times = count === 1 ? '' : `, ${count} times since ${renderTime(firstEpochMs)}`;
  const details = explanation === undefined ? renderUnexplained(denial) : renderExplanation(explanation);
  const lines = [
    `${renderTime(lastEpochMs)} ${pod.namespace}/${pod.name}: ${kinds[kind]}${times}`,
    ...details
      .trimEnd()
      .split('\n')
      .map((line) => (line === '' ? '' : `  ${line}`)),
  ];
  return lines.map((line) => `${escapeControl(line)}\n`).join('');
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
