import { policyKey } from '../evaluation/policy-key.ts';
import { parseAccessLog } from '../what-if/access-log.ts';
import type { RecordedWorkload } from '../what-if/recorded-connection.ts';
import { renderWhatIf } from '../what-if/render-what-if.ts';
import { type WhatIfAnswer, whatIf } from '../what-if/what-if.ts';
import { type Command, type CommandIo, EXIT } from './command-io.ts';
import { holdsNoPolicy, leaveOutOthers } from './document-kind.ts';
import { invalidCommand, parseOptions } from './parse-options.ts';
import { readSoundDocuments } from './read-documents.ts';
import { readPolicies } from './read-policies.ts';
import { readServicePorts } from './read-service-ports.ts';
import { readSelectingNamespaces, readWorkloadLabels, type WorkloadLabels } from './read-workload-labels.ts';

const HELP = `usage: ambient-policy what-if --log FILE --policies FILE… --changed FILE…
                              [--workloads FILE]… [--workload NAMESPACE/NAME=LABELS]…
                              [--services FILE]… [--cluster-domain DOMAIN]
                              [--json] [--root-namespace NAMESPACE]

Says which connections of an access log change their verdict, and why, if the policies that are in
force become others. Name each option again for each file: --changed a.yaml --changed b.yaml

  --log              what a node proxy printed, plain or JSON: kubectl logs -n istio-system POD
                     (with --prefix and --timestamps or not), or its file on the node (CRI or
                     Docker's json-file)
  --policies         those in force: AuthorizationPolicy and PeerAuthentication objects; or none
  --changed          all that are in force after the change, not only what is different; or none
  --workloads        Pods, for their labels: kubectl get pods -A -o yaml
  --workload         labels of one: shop/api-1=app=api,version=v1; of all whose names begin alike:
                     'shop/api-*=app=api'; needed only where policies have selectors
  --services         Services: kubectl get services -A -o yaml; needed only where tunnels were asked
                     for host names (through a gateway of another network) and policies have ports;
                     with --workloads for target ports that have a name
  --cluster-domain   what host names of services end in (cluster.local)
  --json             the answer as data
  --root-namespace   namespace of the objects that are for the whole mesh (istio-system)

Nothing is guessed. A connection is undecided if the port of the pod (the tunnel was asked for a
service) or its labels are not known, and the verdict depends on them. What was recorded with
another verdict than --policies give is told: others were in force then.

Exit codes: 0 no verdict changes, 1 some do, 2 an error, 3 none is known to change, but connections
are undecided, lines cannot be read, or the log has no connections.
`;

/** `what-if`: what a change of policies would mean for recorded connections. */
export const WHAT_IF_COMMAND: Command = {
  usage: 'what-if --log FILE …',
  summary: 'say which recorded connections other policies would judge otherwise',
  help: HELP,
  run: runWhatIf,
};

const OPTIONS = {
  log: { type: 'string' },
  policies: { type: 'string', multiple: true },
  changed: { type: 'string', multiple: true },
  workloads: { type: 'string', multiple: true },
  workload: { type: 'string', multiple: true },
  services: { type: 'string', multiple: true },
  'cluster-domain': { type: 'string', default: 'cluster.local' },
  json: { type: 'boolean', default: false },
  'root-namespace': { type: 'string' },
} as const;

/** Instead of a file: no policies at all. */
const NONE = 'none';
/** Workloads without labels, and services without ports, that are told: they show what to add. */
const MOST_TOLD = 5;
/** A tunnel that was asked for a host name, not an address: a Service may tell its port. */
const NAMED_TARGET = /^(?!\[)[^:]*[^\d.:][^:]*:/;

async function runWhatIf(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseOptions(args, OPTIONS);
  const { log, policies = [], changed = [], workloads = [], workload = [], services = [] } = values;
  const [surplus] = positionals;
  if (surplus !== undefined)
    throw invalidCommand(`what-if: ${JSON.stringify(surplus)}: want --policies or --changed before each file`);
  if (log === undefined || policies.length === 0 || changed.length === 0)
    throw invalidCommand('what-if wants --log FILE, --policies FILE and --changed FILE');
  if ([log, ...policies, ...changed, ...workloads, ...services].filter((file) => file === '-').length > 1)
    throw invalidCommand('only one file can be standard input');
  const rootNamespace = values['root-namespace'];
  const before = await readSide('--policies', policies, { rootNamespace, io });
  const after = await readSide('--changed', changed, { rootNamespace, io });
  const { documents: pods } = await readSoundDocuments(workloads, io);
  const labels = readWorkloadLabels(workload, pods);
  const ports = readServicePorts({
    services: (await readSoundDocuments(services, io)).documents,
    pods,
    clusterDomain: values['cluster-domain'],
  });
  const answer = whatIf({
    policies: before.policies,
    changed: after.policies,
    log: parseAccessLog(await io.readInput(log)),
    policiesOf: (target, when) => (when === 'before' ? before : after).policiesOf(target, labels),
    portOf: ports.find,
  });
  io.write(values.json ? `${JSON.stringify(answer, undefined, 2)}\n` : renderWhatIf(answer));
  noteUnknown(answer, io);
  return { 0: EXIT.success, 1: EXIT.finding, 3: EXIT.undecided }[answer.exitCode];
}

/** The policies before or after the change. */
async function readSide(
  option: string,
  files: readonly string[],
  { rootNamespace, io }: { readonly rootNamespace: string | undefined; readonly io: CommandIo },
) {
  const none = files.length === 1 && files[0] === NONE;
  const documents = none ? [] : (await readSoundDocuments(files, io)).documents;
  if (!none && holdsNoPolicy(documents))
    throw invalidCommand(`${option} ${files.join(', ')}: no policies there (${option} none: there are to be none)`);
  const { policies, objects, policiesOf } = readPolicies(leaveOutOthers(documents, io), { rootNamespace });
  const unnamed = policies.find(({ scope, source }) => scope === 'WorkloadSelector' && source === undefined);
  if (unnamed !== undefined)
    throw invalidCommand(
      `${option}: ${policyKey(unnamed)} is for workloads that name it, which no log tells: want the object it was made of`,
    );
  const selecting = readSelectingNamespaces(objects, rootNamespace);
  return {
    policies,
    policiesOf: (workload: RecordedWorkload, known: WorkloadLabels): readonly string[] | undefined => {
      const { namespace } = workload;
      const labels = known.find(workload) ?? (selecting.has(namespace) ? undefined : {});
      return labels && policiesOf({ namespace, labels });
    },
  };
}

function noteUnknown({ undecided }: WhatIfAnswer, io: CommandIo): void {
  const workloads = undecided.filter(({ cause }) => cause === 'workload').map(({ workload }) => workload);
  const labels = listSome(workloads.map(({ namespace, name }) => `${namespace}/${name}`));
  if (labels !== undefined) io.writeError(`labels are not known of ${labels}: want --workloads or --workload\n`);
  const targets = undecided.filter(({ cause }) => cause === 'port').map(({ sample }) => sample.tunnelTarget ?? '');
  const ports = listSome(targets.filter((target) => NAMED_TARGET.test(target)));
  if (ports !== undefined)
    io.writeError(
      `the port of the pod is not known behind ${ports}: want --services, and --workloads where its target port has a name\n`,
    );
}

/** The first few, each once; undefined if there are none. */
function listSome(texts: readonly string[]): string | undefined {
  const names = [...new Set(texts)];
  const more = names.length > MOST_TOLD ? ` and ${names.length - MOST_TOLD} more` : '';
  return names.length === 0
    ? undefined
    : `${names
        .slice(0, MOST_TOLD)
        .map((name) => JSON.stringify(name))
        .join(', ')}${more}`;
}
