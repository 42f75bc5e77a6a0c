import type { Connection, Match, Policy, Rule, SourceIdentity, StringMatch } from '../policy.ts';

/** An ALLOW policy `ns1/p` for its namespace that matches everything, but for what is said. */
export function buildPolicy(over: Partial<Policy> = {}): Policy {
  return { name: 'p', namespace: 'ns1', scope: 'Namespace', action: 'Allow', dryRun: false, rules: [[]], ...over };
}

/** Rules that match exactly what one match does. */
export function ruleOf(match: Match): readonly Rule[] {
  return [[[match]]];
}

export function exact(value: string): StringMatch {
  return { kind: 'exact', value };
}

/** The connections of the table in spec policy.md §7, by its names. */
export const CONNECTIONS = {
  plain: buildConnection(undefined),
  tls: buildConnection({ trustDomain: 'td', namespace: 'namespace', serviceAccount: 'account' }),
  alt: {
    identity: { trustDomain: 'td-alt', namespace: 'ns-alt', serviceAccount: 'sa=alt' },
    sourceIp: '127.0.0.3',
    destinationIp: '127.0.0.4',
    destinationPort: 9090,
  },
} as const satisfies { readonly [name: string]: Connection };

function buildConnection(identity: SourceIdentity | undefined): Connection {
  return { identity, sourceIp: '127.0.0.1', destinationIp: '127.0.0.2', destinationPort: 8080 };
}
