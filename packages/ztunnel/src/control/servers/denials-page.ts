import type { Explanation, SourceIdentity } from '@ambientmesh/policy';
import type { Denial } from '../../data-plane/protocol.ts';
import type { Answer } from './http-listener.ts';
import { escapeControl, renderTime, textOrJson } from './text-page.ts';

const kinds: Readonly<Record<Denial['kind'], string>> = {
  refused: 'REFUSED',
  cut: 'CUT',
  shadow: 'PASSED, dry-run would deny',
};

/** `/debug/denials`: recent connections that policies denied, why, and what would have let them pass. The latest first. */
export function denialsPage(url: URL, denials: readonly Denial[]): Answer {
  return textOrJson(
    url,
    () => (denials.length === 0 ? 'no connection has been denied\n' : denials.map(renderDenial).join('\n')),
    () => ({ denials: denials.map(describeDenial) }),
  );
}

function renderDenial(denial: Denial): string {
  const { kind, pod, connection, reason, count, firstEpochMs, lastEpochMs, explanation } = denial;
  const { identity, sourceIp, destinationIp, destinationPort } = connection;
  const times = count === 1 ? '' : ` (${count} times since ${renderTime(firstEpochMs)})`;
  const from = identity === undefined ? `${sourceIp} without identity` : `${principalOf(identity)} at ${sourceIp}`;
  const lines = [
    `${renderTime(lastEpochMs)} ${kinds[kind]}${times}`,
    `  from ${from}`,
    `  to ${pod.namespace}/${pod.name} at ${joinPort(destinationIp, destinationPort)}`,
    `  ${reason}`,
    ...(explanation === undefined
      ? ['  not explained: too many others were denied at that time']
      : renderExplanation(explanation)
          .trimEnd()
          .split('\n')
          .map((line) => (line === '' ? '' : `    ${line}`))),
  ];
  return lines.map((line) => `${escapeControl(line)}\n`).join('');
}

/** As policies write it. */
function principalOf({ trustDomain, namespace, serviceAccount }: SourceIdentity): string {
  return `${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

function joinPort(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function describeDenial({ firstEpochMs, lastEpochMs, connection, explanation, ...rest }: Denial): unknown {
  const { identity, ...addresses } = connection;
  return {
    ...rest,
    first: renderTime(firstEpochMs),
    last: renderTime(lastEpochMs),
    connection: { principal: identity === undefined ? null : principalOf(identity), ...addresses },
    explanation: explanation ?? null,
  };
}

function renderExplanation(explanation: Explanation): string {
  return explanation.wouldPass.map(({ text }) => `would have passed ${text}`).join('\n');
}
