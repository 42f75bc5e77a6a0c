import type { Clause, Connection, Policy, Rule, TargetWorkload } from '@ambientmesh/policy';

const POLICIES = 10_000;
const RULES = 10;
const BOUND = 20;
const NAMESPACES = 500;
const CALLING_NAMESPACE = 'team-7-payments';

/** Policies of a large mesh, a workload that some of them are bound to, and a connection that none of their rules matches. */
export interface LargeMesh {
  readonly policies: readonly Policy[];
  readonly workload: TargetWorkload;
  /** Those of the workload alone. */
  readonly bound: readonly Policy[];
  readonly connection: Connection;
}

/** What control planes make of rules as users write them, and three mixes that are harder to look up, by name. */
const RULE_MIXES = {
  ordinary: buildOrdinaryRule,
  ipv6: buildIpv6Rule,
  prefixes: buildPrefixRule,
  exclusions: buildExclusionRule,
} satisfies { readonly [mix: string]: (policy: number, rule: number) => Rule };

/** How the rules of a large mesh are made. */
export type RuleMix = keyof typeof RULE_MIXES;

/** 10,000 policies of 10 rules, 20 of them bound to the workload by name: every rule of these has to be looked at. */
export function buildLargeMesh(mix: RuleMix): LargeMesh {
  const policies = Array.from({ length: POLICIES }, (_, index) => buildPolicy(index, RULE_MIXES[mix]));
  const bound = policies.slice(0, BOUND);
  const ipv6 = mix === 'ipv6';
  return {
    policies,
    bound,
    workload: {
      namespace: 'elsewhere',
      authorizationPolicies: bound.map(({ namespace, name }) => `${namespace}/${name}`),
    },
    connection: {
      identity: { trustDomain: 'cluster.local', namespace: CALLING_NAMESPACE, serviceAccount: 'client-0-0' },
      sourceIp: ipv6 ? 'fd00:10:244:7::1f' : '10.1.2.3',
      destinationIp: ipv6 ? 'fd00:10:244:9::2e' : '10.4.5.6',
      destinationPort: 8080,
    },
  };
}

function buildPolicy(index: number, buildRule: (policy: number, rule: number) => Rule): Policy {
  return {
    name: `policy-${index}`,
    namespace: `team-${index % NAMESPACES}`,
    scope: 'WorkloadSelector',
    action: index % 4 === 0 ? 'Deny' : 'Allow',
    dryRun: false,
    rules: Array.from({ length: RULES }, (_, rule) => buildRule(index, rule)),
  };
}

const PORTS: Clause = [{ destinationPorts: [8080, 8443] }];

/** Mostly callers by name. */
function buildOrdinaryRule(policy: number, rule: number): Rule {
  const team = `cluster.local/ns/callers-${policy % NAMESPACES}`;
  if (rule === 0) return [[{ namespaces: [{ kind: 'exact', value: `callers-${policy}` }] }], PORTS];
  if (rule === 1) return [[{ principals: [{ kind: 'prefix', value: `${team}/` }] }], PORTS];
  if (rule === 2) return [[{ sourceIps: [{ address: `172.16.${policy % 256}.0`, length: 24 }] }], PORTS];
  const callers = ['', '-canary'].map((suffix) => `${team}/sa/client-${policy}-${rule}${suffix}`);
  return [[{ principals: callers.map((value) => ({ kind: 'exact' as const, value })) }], PORTS];
}

/** Blocks of addresses beside those of the connection. */
function buildIpv6Rule(policy: number, rule: number): Rule {
  const group = (1000 + policy * RULES + rule).toString(16).slice(-4);
  const sourceIps = [
    { address: `fd00:10:244:${group}::`, length: 64 },
    { address: `fd00:10:${group}::`, length: 48 },
  ];
  return [[{ sourceIps }], PORTS];
}

/** Families of namespaces, whose names begin like the caller's. */
function buildPrefixRule(policy: number, rule: number): Rule {
  const values = [`team-${policy % 7}-${rule}`, `team-blue-${policy}-${rule}-`];
  return [[{ namespaces: values.map((value) => ({ kind: 'prefix', value })) }], PORTS];
}

/** Everybody but some: in turn the caller is one of these, and the port is not meant. */
function buildExclusionRule(policy: number, rule: number): Rule {
  const excluded = rule % 2 === 0 ? CALLING_NAMESPACE : `team-8-${policy}`;
  const values = [`callers-${policy}-${rule}`, excluded];
  const notNamespaces = values.map((value) => ({ kind: 'exact' as const, value }));
  return [[{ notNamespaces }], rule % 2 === 0 ? PORTS : [{ destinationPorts: [9090, 9443] }]];
}
