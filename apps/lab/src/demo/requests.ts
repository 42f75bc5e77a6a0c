import type { LabClient } from '../client/lab-client.ts';
import { LabError } from '../errors.ts';

/** What a curl in a pod brought back from `httpbin/ip`. */
export interface Answer {
  /** The pod that answered. */
  readonly pod: string;
  /** Who it thinks asked, `ADDRESS:PORT`. */
  readonly origin: string;
}

const CURL_TIMEOUT_SECONDS = '10';

/** The command every request of the demo is. */
export const CURL = ['curl', '-sS', '-f', '-m', CURL_TIMEOUT_SECONDS, 'http://httpbin/ip'] as const;

/** Curls the service from `pod`. Throws LAB_COMMAND_FAILED with what curl says. */
export async function curlHttpbin(client: LabClient, pod: string): Promise<Answer> {
  const { code, stdout, stderr } = await client.exec(pod, CURL);
  if (code !== 0)
    throw new LabError('LAB_COMMAND_FAILED', `${pod}: curl http://httpbin/ip: exit ${code}: ${stderr.trim()}`);
  const value: unknown = JSON.parse(stdout);
  if (isAnswer(value)) return value;
  throw new LabError('LAB_COMMAND_FAILED', `${pod}: curl http://httpbin/ip: unexpected answer ${stdout.trim()}`);
}

/** How often each pod answered. */
export function countByPod(answers: readonly Answer[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { pod } of answers) counts.set(pod, (counts.get(pod) ?? 0) + 1);
  return counts;
}

function isAnswer(value: unknown): value is Answer {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pod' in value &&
    typeof value.pod === 'string' &&
    'origin' in value &&
    typeof value.origin === 'string'
  );
}
