import type { Connection, Policy, Rule, TargetWorkload } from '@ambientmesh/policy';

const POLICIES = 10_000;
const RULES = 10;
const BOUND = 20;
const NAMESPACES = 500;

/** Policies of a large mesh, a workload that some of them are bound to, and a connection that none of their rules matches. */
export interface LargeMesh {
  readonly policies: readonly Policy[];
  readonly workload: TargetWorkload;
  /** Those of the workload alone. */
  readonly bound: readonly Policy[];
  readonly connection: Connection;
}

/** 10,000 policies of 10 rules, 20 of them bound to the workload by name: every rule of these has to be looked at. */
export function buildLargeMesh(): LargeMesh {
  const policies = Array.from({ length: POLICIES }, (_, index) => buildPolicy(index));
  const bound = policies.slice(0, BOUND);
  return {
    policies,
    bound,
    workload: {
      namespace: 'elsewhere',
      authorizationPolicies: bound.map(({ namespace, name }) => `${namespace}/${name}`),
    },
    connection: {
      identity: { trustDomain: 'cluster.local', namespace: 'team-7', serviceAccount: 'client-0-0' },
      sourceIp: '10.1.2.3',
      destinationIp: '10.4.5.6',
      destinationPort: 8080,
    },
  };
}

function buildPolicy(index: number): Policy {
  return {
    name: `policy-${index}`,
    namespace: `team-${index % NAMESPACES}`,
    scope: 'WorkloadSelector',
    action: index % 4 === 0 ? 'Deny' : 'Allow',
    dryRun: false,
    rules: Array.from({ length: RULES }, (_, rule) => buildRule(index, rule)),
  };
}

/** What control planes make of rules as users write them: mostly callers by name, and ports. */
function buildRule(policy: number, rule: number): Rule {
  const ports = [{ destinationPorts: [8080, 8443] }];
  const team = `cluster.local/ns/callers-${policy % NAMESPACES}`;
  if (rule === 0) return [[{ namespaces: [{ kind: 'exact', value: `callers-${policy}` }] }], ports];
  if (rule === 1) return [[{ principals: [{ kind: 'prefix', value: `${team}/` }] }], ports];
  if (rule === 2) return [[{ sourceIps: [{ address: `172.16.${policy % 256}.0`, length: 24 }] }], ports];
  const callers = ['', '-canary'].map((suffix) => `${team}/sa/client-${policy}-${rule}${suffix}`);
  return [[{ principals: callers.map((value) => ({ kind: 'exact' as const, value })) }], ports];
}
