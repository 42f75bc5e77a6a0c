import type { Explanation } from '@ambientmesh/policy';
import { renderHangAdvice } from '../command-name.ts';
import type { LabStatus, NodeStatus, PodStatus } from '../control-protocol.ts';
import { asLabError, LabError } from '../errors.ts';

const PAGE = 'http://127.0.0.1:15000/debug/denials';
/** What a ztunnel can remember at most is less: 256 in each data thread. */
const LIMIT = 100_000;
const ASK_TIMEOUT_SECONDS = 5;
/** curl: no connection. */
const CURL_NO_CONNECTION = 7;
/** curl: `-m` is over. */
const CURL_TIMED_OUT = 28;

/** A connection that policies denied, or dry-run policies would deny, as the ztunnel of its pod remembers it. */
export interface DenialReport {
  /** Whose ztunnel tells it. */
  readonly node: string;
  /** `refused` when it came; `cut` while it ran, by a change of policies; `shadow`: it passed, only dry-run policies deny. */
  readonly kind: 'refused' | 'cut' | 'shadow';
  /** The pod it went to. */
  readonly pod: { readonly namespace: string; readonly name: string };
  readonly connection: {
    /** `cluster.local/ns/NAMESPACE/sa/ACCOUNT`; null: plain text. */
    readonly principal: string | null;
    readonly sourceIp: string;
    readonly destinationIp: string;
    readonly destinationPort: number;
  };
  readonly reason: string;
  /** How many like it there were. */
  readonly count: number;
  /** ISO 8601, of the first and the last of them. */
  readonly first: string;
  readonly last: string;
  /** By the policies of that time; null: too many others were denied then. */
  readonly explanation: Explanation | null;
  /** All of it for a terminal, with what would have let it pass; lines, the last one ended, too. */
  readonly text: string;
}

/** What a ztunnel tells. */
interface Answer {
  readonly denials: readonly DenialReport[];
  /** What is missing in it, if anything is. */
  readonly failure?: LabError;
}

/** What this needs of a lab. */
export interface DenialSource {
  exec(place: string, argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }>;
  status(): Promise<LabStatus>;
}

/**
 * Recent denials of all nodes, the latest first; only those of connections to `pod` if it is given. A ztunnel that does
 * not run remembers none. One that cannot tell, or not all, or not within 5 s, is named to `warn` while any other can. Throws
 * LAB_NAME_UNKNOWN, and if no ztunnel that was asked can tell (of a pod, that of its node): LAB_ZTUNNEL_NOT_READY,
 * LAB_COMMAND_FAILED for one of another make, and what `exec` throws.
 */
export async function readDenials(
  lab: DenialSource,
  pod: string | undefined,
  warn: (message: string) => void,
): Promise<readonly DenialReport[]> {
  const { nodes, pods } = await lab.status();
  const target = pod === undefined ? undefined : findPod(pods, pod);
  const asked = nodes.filter(({ name, ztunnel }) => ztunnel.running && (target ?? { node: name }).node === name);
  const results = await Promise.allSettled(asked.map((node) => denialsOf(lab, node, target)));
  const answers = results.map(
    (result): Answer =>
      result.status === 'fulfilled'
        ? result.value
        : { denials: [], failure: asLabError(result.reason, 'LAB_COMMAND_FAILED') },
  );
  const denials = answers.flatMap((answer) => answer.denials);
  const failures = answers.flatMap(({ failure }) => failure ?? []);
  const [first] = failures;
  if (first !== undefined && denials.length === 0 && failures.length === asked.length)
    throw new LabError(first.code, failures.map(({ message }) => message).join('; '), { cause: first });
  for (const { code, message } of failures) warn(`${code}: ${message}`);
  return denials.toSorted((one, other) => Date.parse(other.last) - Date.parse(one.last));
}

function findPod(pods: readonly PodStatus[], wanted: string): PodStatus {
  const pod = pods.find(({ name }) => name === wanted);
  if (pod !== undefined) return pod;
  const known = pods.map(({ name }) => name).join(', ');
  throw new LabError('LAB_NAME_UNKNOWN', `${wanted}: no such pod (there are ${known})`);
}

async function denialsOf(lab: DenialSource, { name: node }: NodeStatus, pod?: PodStatus): Promise<Answer> {
  const filter = pod === undefined ? '' : `&pod=${pod.namespace}/${pod.name}`;
  const url = `${PAGE}?format=json&limit=${LIMIT}${filter}`;
  // Without -f: a ztunnel of which a data thread is stuck says 503 and what it has all the same.
  const { code, stdout, stderr } = await lab.exec(node, ['curl', '-sS', '-m', `${ASK_TIMEOUT_SECONDS}`, url]);
  if (code === CURL_NO_CONNECTION)
    throw new LabError('LAB_ZTUNNEL_NOT_READY', `ztunnel@${node}: nothing answers at ${PAGE}`);
  if (code === CURL_TIMED_OUT) {
    const what = `ztunnel@${node}: no answer at ${PAGE} in ${ASK_TIMEOUT_SECONDS} s`;
    throw new LabError('LAB_ZTUNNEL_NOT_READY', `${what}: ${renderHangAdvice(node)}`);
  }
  const page = code === 0 ? parsePage(stdout) : undefined;
  if (page === undefined)
    throw new LabError('LAB_COMMAND_FAILED', `ztunnel@${node}: tells no denials (is it ours?) ${stderr}`.trim());
  const denials = page.denials.map((denial) => ({ ...denial, node }));
  if (page.silent.length === 0) return { denials };
  const what = `ztunnel@${node}: data thread ${page.silent.join(', ')} does not answer, its denials are missing`;
  return { denials, failure: new LabError('LAB_ZTUNNEL_NOT_READY', `${what}: ${renderHangAdvice(node)}`) };
}

interface Page {
  readonly denials: readonly Omit<DenialReport, 'node'>[];
  /** Numbers of data threads. */
  readonly silent: readonly number[];
}

/** Undefined if it is not what our ztunnel says; it is of the same sources, so the fields are not looked at. */
function parsePage(text: string): Page | undefined {
  try {
    const { denials, silentDataThreads: silent = [] } = JSON.parse(text);
    return Array.isArray(denials) && Array.isArray(silent) ? { denials, silent } : undefined;
  } catch {
    return undefined;
  }
}
