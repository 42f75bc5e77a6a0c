import { staticStrictKey } from '../conversion/convert-peer-authentication.ts';
import { findUnapplied } from '../conversion/find-unapplied.ts';
import type { SelectedWorkload } from '../conversion/peer-authentication-scope.ts';
import { DEFAULT_ROOT_NAMESPACE } from '../conversion/policy-object.ts';
import { policyKey } from '../evaluation/policy-key.ts';
import { compile, type PolicySet } from '../evaluation/policy-set.ts';
import { NO_ADDRESS } from '../explanation/no-address.ts';
import { renderExplanation } from '../explanation/render-explanation.ts';
import { parseIpAddress } from '../matching/ip-address.ts';
import { MAX_PORT } from '../matching/port.ts';
import { parsePrincipal } from '../matching/principal.ts';
import type { Connection, Match, Policy, SourceIdentity, TargetWorkload } from '../policy.ts';
import { type Command, type CommandIo, EXIT } from './command-io.ts';
import { leaveOutOthers } from './document-kind.ts';
import type { MeshWorkload } from './mesh-file.ts';
import { parseLabels } from './parse-labels.ts';
import { invalidCommand, parseOptions } from './parse-options.ts';
import { readSoundDocuments } from './read-documents.ts';
import { type GoverningPolicies, readPolicies } from './read-policies.ts';
import { renderUnapplied } from './render-unapplied.ts';

const HELP = `usage: ambient-policy explain FILE… --from PRINCIPAL|none --to NAMESPACE[/LABELS] --port PORT
                                    [--source-ip IP] [--destination-ip IP] [--policy KEY]…
                                    [--workload NAME] [--json] [--namespace NAMESPACE]
                                    [--root-namespace NAMESPACE]

Says whether a connection passes, which rule of which policy decides or came closest, what it wanted
and what it got, and with which change the connection would have passed. In the list of policies
below that, + is a condition that holds and - one that does not. At the end is what was read and
does not apply to the workload, and why.

FILE has AuthorizationPolicy and PeerAuthentication objects, messages to node proxies (as convert
prints them), the local configuration of a node proxy (policies, workloads), its config_dump, or
policies of this package. Dry-run policies are told, and not enforced.

  --from             who: TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT, or none for plain text
  --to               where to: shop, or with the labels of the workload shop/app=api,tier=back
  --port             port of the pod, which need not be that of a service
  --source-ip        address of the client; needed only if a policy asks for it
  --destination-ip   address of the pod; needed only if a policy asks for it
  --policy           NAMESPACE/NAME that the workload names, as its record says: for messages, which
                     have no selectors; as often as needed
  --workload         its name, if FILE has it: configurations of node proxies say which policies
                     their workloads name
  --json             the explanation as data
  --namespace        of objects that have none, as with kubectl apply -n
  --root-namespace   namespace of the objects that are for the whole mesh (istio-system)

Exit codes: 0 it passes, 1 it is denied, 2 an error.
`;

/** `explain FILE…`: why one connection passes or does not. */
export const EXPLAIN_COMMAND: Command = {
  usage: 'explain FILE…',
  summary: 'say why a connection passes or is denied',
  help: HELP,
  run: runExplain,
};

const OPTIONS = {
  from: { type: 'string' },
  to: { type: 'string' },
  port: { type: 'string' },
  'source-ip': { type: 'string' },
  'destination-ip': { type: 'string' },
  policy: { type: 'string', multiple: true },
  workload: { type: 'string' },
  json: { type: 'boolean', default: false },
  namespace: { type: 'string' },
  'root-namespace': { type: 'string' },
} as const;

async function runExplain(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseOptions(args, OPTIONS);
  const { from, to, port } = values;
  if (positionals.length === 0) throw invalidCommand('explain wants files: explain FILE…');
  if (from === undefined || to === undefined || port === undefined)
    throw invalidCommand('explain wants --from PRINCIPAL|none, --to NAMESPACE[/LABELS] and --port PORT');
  const connection: Connection = {
    identity: parseFrom(from),
    sourceIp: parseIp('--source-ip', values['source-ip']),
    destinationIp: parseIp('--destination-ip', values['destination-ip']),
    destinationPort: parsePort(port),
  };
  const { namespace, labels } = parseTo(to);
  const rootNamespace = values['root-namespace'];
  const { documents, workloads } = await readSoundDocuments(positionals, io);
  const read = readPolicies(leaveOutOthers(documents, io), { rootNamespace, namespace: values.namespace });
  const named = new Set([
    ...read.policiesOf({ namespace, labels }),
    ...(values.policy ?? []),
    ...namesOf(values.workload, namespace, workloads),
  ]);
  const { policies, unapplied } = sortOut(read, { namespace, labels, named }, rootNamespace);
  const workload = { namespace, authorizationPolicies: [...named] };
  for (const policy of policies)
    if (isUnnamed(policy, named))
      io.writeError(
        `${policyKey(policy)} is left out: it is for workloads that name it (--policy ${policyKey(policy)})\n`,
      );
  const set = compile(policies);
  checkAddresses(set, workload, { source: values['source-ip'], destination: values['destination-ip'] });
  const explanation = set.explain(connection, workload);
  const applying = explanation.policies.length + explanation.decision.missing.length;
  io.write(
    values.json
      ? `${JSON.stringify({ ...explanation, unapplied }, undefined, 2)}\n`
      : renderExplanation(explanation) + renderUnapplied(unapplied, { namespace, applying }),
  );
  return explanation.decision.allowed ? EXIT.success : EXIT.finding;
}

/** What was read and does not apply, and why; the policy that all STRICT objects share gets the one that counts here. */
function sortOut(
  { policies, objects, strictBy }: GoverningPolicies,
  workload: SelectedWorkload & { readonly named: ReadonlySet<string> },
  rootNamespace: string = DEFAULT_ROOT_NAMESPACE,
) {
  const unapplied = findUnapplied(objects, workload, rootNamespace);
  const [strict] = strictBy(workload);
  const elsewhere = policies
    .filter(
      ({ scope, namespace, source }) =>
        source === undefined && scope === 'Namespace' && namespace !== '' && namespace !== workload.namespace,
    )
    .map((policy) => ({ object: policyKey(policy), why: `is for namespace ${policy.namespace}` }));
  const unnamed = policies
    .filter((policy) => isUnnamed(policy, workload.named))
    .map((policy) => ({ object: policyKey(policy), why: 'is for workloads that name it' }));
  const shared = staticStrictKey(rootNamespace);
  return {
    policies: policies.map((policy) =>
      strict !== undefined && policy.source !== undefined && policyKey(policy) === shared
        ? { ...policy, source: { ...policy.source, object: strict } }
        : policy,
    ),
    unapplied: [...unapplied, ...elsewhere, ...unnamed],
  };
}

/** What was made of objects has selectors, which do not match if it is not named. */
function isUnnamed(policy: Policy, named: ReadonlySet<string>): boolean {
  return policy.scope === 'WorkloadSelector' && policy.source === undefined && !named.has(policyKey(policy));
}

/** As policies name it; `spiffe://` in front is how certificates do. */
function parseFrom(text: string): SourceIdentity | undefined {
  if (text === 'none') return undefined;
  const identity = parsePrincipal(text);
  if (identity === undefined)
    throw invalidCommand(`--from ${JSON.stringify(text)}: want TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT or none`);
  return identity;
}

function parseTo(text: string) {
  const [, namespace, labels = ''] = /^([^/\s=]+)(?:\/(.*))?$/.exec(text) ?? [];
  if (namespace === undefined)
    throw invalidCommand(`--to ${JSON.stringify(text)}: want NAMESPACE or NAMESPACE/LABELS, such as shop/app=api`);
  return { namespace, labels: parseLabels('--to', labels) };
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > MAX_PORT) throw invalidCommand(`--port ${JSON.stringify(text)}: want 1 to ${MAX_PORT}`);
  return port;
}

function parseIp(option: string, text: string | undefined): string {
  if (text === undefined) return NO_ADDRESS;
  if (parseIpAddress(text) === undefined) throw invalidCommand(`${option} ${JSON.stringify(text)}: want IPv4 or IPv6`);
  return text;
}

/** Keys of the policies that a workload names in a file. */
function namesOf(name: string | undefined, namespace: string, workloads: readonly MeshWorkload[]): readonly string[] {
  if (name === undefined) return [];
  const workload = workloads.find((each) => each.name === name && each.namespace === namespace);
  if (workload === undefined) throw invalidCommand(`--workload ${name}: no file has it in namespace ${namespace}`);
  return workload.authorizationPolicies;
}

/** Throws for an address that is not given and that the verdict may depend on. */
function checkAddresses(
  set: PolicySet,
  workload: TargetWorkload,
  given: { readonly source: string | undefined; readonly destination: string | undefined },
): void {
  const { policies } = set.select(workload);
  const check = (option: string, ip: string | undefined, fields: readonly (keyof Match)[]): void => {
    if (ip !== undefined) return;
    const asking = policies.find(({ rules }) =>
      rules.flat(2).some((match) => fields.some((field) => match[field]?.length)),
    );
    if (asking) throw invalidCommand(`policy ${policyKey(asking)} asks for the address: want ${option} IP`);
  };
  check('--source-ip', given.source, ['sourceIps', 'notSourceIps']);
  check('--destination-ip', given.destination, ['destinationIps', 'notDestinationIps']);
}
