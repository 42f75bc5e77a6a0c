import type { Terminal } from '../cli/terminal.ts';
import type { LabClient } from '../client/lab-client.ts';
import { LAB_COMMAND } from '../command-name.ts';
import type { Claims } from './claims.ts';
import { CURL, curlHttpbin } from './requests.ts';

const POLICY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: httpbin
spec:
  selector:
    matchLabels:
      app: httpbin
  rules:
  - from:
    - source:
        principals: [cluster.local/ns/default/sa/sleep]
`;
const OBJECT = 'AuthorizationPolicy/default/httpbin';
const ALLOWED = 'sleep';
const DENIED = 'notsleep';
/** A denial is told of when its connection has ended, which may be after the client has noticed. */
const DENIALS_DEADLINE_MS = 2_000;
const MAX_SHOWN_LINES = 8;
/** curl: the connection was reset, or (by others, if they are quicker than curl) ended, where an answer was expected. */
const CUT_OFF: readonly number[] = [56, 52];

/** What this step needs. */
export interface PolicyStep {
  readonly client: LabClient;
  readonly out: Terminal;
  readonly claims: Claims;
  /** Whether the ztunnels are the project's own: others neither explain denials nor take policies while they run. */
  readonly own: boolean;
}

/** Applies a policy, shows who passes and what the ztunnel says of who does not, and removes the policy. */
export async function showPolicy({ client, out, claims, own }: PolicyStep): Promise<void> {
  for (const line of POLICY.trimEnd().split('\n')) out.line(`  ${out.paint('dim', line)}`);
  out.line();
  const begunMs = performance.now();
  const { restarted } = await client.applyPolicies(POLICY);
  out.line(out.paint('dim', `  In force on both nodes after ${Math.round(performance.now() - begunMs)} ms.`));
  out.line();
  const answer = await curlHttpbin(client, ALLOWED);
  const refused = await client.exec(DENIED, CURL);
  out.line(`  ${ALLOWED}$ curl http://httpbin/ip      ${answer.pod} saw ${answer.origin}`);
  out.line(`  ${DENIED}$ curl http://httpbin/ip   exit ${refused.code}: ${lastPart(refused.stderr)}`);
  out.line();
  if (own) await showDenial({ client, out, claims });
  await client.deletePolicies(OBJECT);
  const again = await client.exec(DENIED, CURL);
  claims.check(
    `the policy lets ${ALLOWED} pass and cuts ${DENIED} off${own ? '; nothing restarts' : ''}`,
    CUT_OFF.includes(refused.code) && (restarted.length === 0 || !own),
    () => `${DENIED}: exit ${refused.code}; ztunnels restarted: ${restarted.join(', ') || 'none'}`,
  );
  claims.check(`without the policy ${DENIED} passes again`, again.code === 0, () => again.stderr.trim());
}

async function showDenial({ client, out, claims }: Omit<PolicyStep, 'own'>): Promise<void> {
  const found = await client
    .waitFor(() => findDenial(client), { timeoutMs: DENIALS_DEADLINE_MS })
    .catch(() => undefined);
  if (found !== undefined) {
    out.line(`  $ ${LAB_COMMAND} denials`);
    for (const line of shortPart(found)) out.wrapped(line.trimStart(), { indent: 4 + indentOf(line), hang: 2 });
    out.line();
  }
  claims.check(
    'the ztunnel says who was denied, by which policy, and who would pass',
    found !== undefined,
    () => `\`${LAB_COMMAND} denials\` does not name ${OBJECT} (\`${LAB_COMMAND} logs\` has more)`,
  );
}

async function findDenial(client: LabClient): Promise<string | undefined> {
  const wanted = [`sa/${DENIED}`, `sa/${ALLOWED}`, 'default/httpbin'];
  const denials = await client.denials();
  return denials.find(({ text }) => wanted.every((part) => text.includes(part)))?.text;
}

/** Of what curl says: `curl: (56) Recv failure: Connection reset by peer`. */
function lastPart(text: string): string {
  return text.trim().split(': ').at(-1) ?? '';
}

/** The first denial without its details. */
function shortPart(text: string): readonly string[] {
  const lines = text.split('\n');
  const end = lines.indexOf('');
  return lines.slice(0, Math.min(end < 0 ? lines.length : end, MAX_SHOWN_LINES));
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}
