import type { AddressRange, Clause, Match, Policy, Rule, ServiceAccountMatch, StringMatch } from '../policy.ts';
import { MATCH_FIELDS } from '../validation/match-fields.ts';
import { readPolicy } from '../validation/read-policy.ts';
import { encodeBase64, parseAddressBytes } from './address-bytes.ts';
import type {
  AddressMessage,
  AuthorizationMessage,
  ClauseMessage,
  GroupMessage,
  MatchMessage,
  ServiceAccountMessage,
  StringMatchMessage,
} from './authorization-message.ts';

/**
 * The message that a node proxy receives for a policy: `istio.security.Authorization` as canonical JSON of protocol buffers,
 * fields at their default left out. `source` is no part of it. Throws POLICY_INVALID as `readPolicy`.
 */
export function renderMessage(policy: Policy): AuthorizationMessage {
  const { name, namespace, scope, action, rules, dryRun } = readPolicy(policy);
  return {
    ...(name === '' ? {} : { name }),
    ...(namespace === '' ? {} : { namespace }),
    ...(scope === 'Global' ? {} : { scope: scope === 'Namespace' ? 'NAMESPACE' : 'WORKLOAD_SELECTOR' }),
    ...(action === 'Allow' ? {} : { action: 'DENY' }),
    ...(rules.length === 0 ? {} : { groups: rules.map(renderGroup) }),
    ...(dryRun ? { dryRun } : {}),
  };
}

function renderGroup(rule: Rule): GroupMessage {
  return rule.length === 0 ? {} : { rules: rule.map(renderClause) };
}

function renderClause(clause: Clause): ClauseMessage {
  return clause.length === 0 ? {} : { matches: clause.map(renderMatch) };
}

type MatchValue = StringMatch | AddressRange | number | ServiceAccountMatch;

function renderMatch(match: Match): MatchMessage {
  const message: { [field: string]: readonly unknown[] } = {};
  for (const name of MATCH_FIELDS.keys()) {
    const values: readonly MatchValue[] | undefined = match[name];
    if (values !== undefined) message[name] = values.map(renderValue);
  }
  return message;
}

function renderValue(value: MatchValue): number | StringMatchMessage | AddressMessage | ServiceAccountMessage {
  if (typeof value === 'number') return value;
  if ('kind' in value) return renderPattern(value);
  return 'address' in value ? renderRange(value) : renderAccount(value);
}

function renderPattern(pattern: StringMatch): StringMatchMessage {
  switch (pattern.kind) {
    case 'presence':
      return { presence: {} };
    case 'exact':
      return { exact: pattern.value };
    case 'prefix':
      return { prefix: pattern.value };
    case 'suffix':
      return { suffix: pattern.value };
  }
}

function renderRange({ address, length }: AddressRange): AddressMessage {
  const bytes = parseAddressBytes(address) ?? new Uint8Array();
  return { address: encodeBase64(bytes), ...(length === 0 ? {} : { length }) };
}

function renderAccount({ namespace, serviceAccount }: ServiceAccountMatch): ServiceAccountMessage {
  return { ...(namespace === '' ? {} : { namespace }), ...(serviceAccount === '' ? {} : { serviceAccount }) };
}
