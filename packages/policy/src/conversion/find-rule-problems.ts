import { canHold, convertRule, HTTP_OPERATIONS, HTTP_SOURCES, isConnectionKey } from './convert-rule.ts';
import { findContradiction } from './find-contradictions.ts';
import type {
  PolicyObjectAction,
  PolicyRule,
  PolicyRuleCondition,
  PolicyRuleOperation,
  PolicyRuleSource,
} from './policy-object.ts';
import type { ProblemList } from './problem-list.ts';
import {
  checkAddressRange,
  checkNamespace,
  checkPort,
  checkPrincipal,
  checkServiceAccount,
  checkText,
  type ValueCheck,
} from './value-checks.ts';

/** What a rule belongs to. */
export interface RuleContext {
  readonly action: PolicyObjectAction;
  /** A waypoint judges all attributes. */
  readonly forWaypoint: boolean;
}

/** Keys of `when` that are another condition's business, or need a proxy of HTTP. */
const OTHER_KEYS = [
  'source.serviceAccount',
  'source.trustDomain',
  'remote.ip',
  'request.auth.principal',
  'request.auth.audiences',
  'request.auth.presenter',
  'connection.sni',
];
const KEY_FORMS = [
  /^request\.headers\[[^[\]]+\]$/,
  /^request\.auth\.claims(\[[^[\]]+\])+$/,
  /^experimental\.envoy\.filters\.[^[\]]+(\[[^[\]]+\])+$/,
];
const WANTED_KEYS =
  'source.ip, source.namespace, source.principal, source.serviceAccount, remote.ip, destination.ip, destination.port, ' +
  'connection.sni, request.headers[NAME], request.auth.principal, request.auth.audiences, request.auth.presenter or ' +
  'request.auth.claims[NAME]';

const OPERATION_CHECKS: Readonly<Record<keyof PolicyRuleOperation, ValueCheck>> = {
  ports: checkPort,
  notPorts: checkPort,
  hosts: checkText,
  notHosts: checkText,
  methods: checkText,
  notMethods: checkText,
  paths: checkText,
  notPaths: checkText,
};

const SOURCE_CHECKS: Readonly<Record<keyof PolicyRuleSource, ValueCheck>> = {
  principals: checkPrincipal,
  notPrincipals: checkPrincipal,
  namespaces: checkNamespace,
  notNamespaces: checkNamespace,
  serviceAccounts: checkServiceAccount,
  notServiceAccounts: checkServiceAccount,
  ipBlocks: checkAddressRange,
  notIpBlocks: checkAddressRange,
  requestPrincipals: checkText,
  notRequestPrincipals: checkText,
  remoteIpBlocks: checkAddressRange,
  notRemoteIpBlocks: checkAddressRange,
  trustDomains: checkText,
  notTrustDomains: checkText,
};

const ACCOUNT_FIELDS = ['serviceAccounts', 'notServiceAccounts'];
const IDENTITY_FIELDS = ['principals', 'notPrincipals', 'namespaces', 'notNamespaces'];
/** What the reference does not take from a CUSTOM policy, even for a waypoint. */
const CUSTOM_LACKS = [...ACCOUNT_FIELDS, ...IDENTITY_FIELDS, 'requestPrincipals', 'notRequestPrincipals'];
const CUSTOM_LACKS_KEY = /^(source\.(namespace|serviceAccount|principal)$|request\.auth\.)/;

const KEY_CHECKS: ReadonlyMap<string, ValueCheck> = new Map([
  ['source.ip', checkAddressRange],
  ['remote.ip', checkAddressRange],
  ['destination.ip', checkAddressRange],
  ['destination.port', checkPort],
  ['source.namespace', checkNamespace],
  ['source.principal', checkPrincipal],
]);

/** Tells what is wrong with the values of one rule, which is at `path`. */
export function findRuleProblems(rule: PolicyRule, path: string, context: RuleContext, problems: ProblemList): void {
  const { from, to, when = [] } = rule;
  const sources = from?.map(({ source }) => source);
  checkEntries(
    sources,
    { path: `${path}.from`, name: 'source', checks: SOURCE_CHECKS, http: HTTP_SOURCES },
    context,
    problems,
  );
  const operations = to?.map(({ operation }) => operation);
  checkEntries(
    operations,
    { path: `${path}.to`, name: 'operation', checks: OPERATION_CHECKS, http: HTTP_OPERATIONS },
    context,
    problems,
  );
  for (const [index, condition] of when.entries())
    checkCondition(condition, `${path}.when[${index}]`, context, problems);
  const contradiction = findContradiction(convertRule(rule, '').rule);
  if (contradiction !== undefined) problems.warn(path, `never holds: ${contradiction}`);
  if (context.action === 'DENY' && !context.forWaypoint && neverHolds(rule))
    problems.warn(path, 'nothing that node proxies can judge is left of a part of this rule, so it denies nothing');
}

/** Whether HTTP attributes alone keep a rule from ever holding. */
function neverHolds(rule: PolicyRule): boolean {
  const converted = convertRule(rule, '');
  return converted.httpAttributes.length > 0 && !converted.rule.every(canHold);
}

interface EntryKind {
  readonly path: string;
  /** Name of the only field of an entry. */
  readonly name: string;
  readonly checks: Readonly<Record<string, ValueCheck>>;
  /** Conditions that node proxies cannot judge. */
  readonly http: readonly string[];
}

type Lists = { readonly [name: string]: readonly string[] | undefined };

function checkEntries(
  entries: readonly (PolicyRuleSource | PolicyRuleOperation | undefined)[] | undefined,
  { path, name, checks, http }: EntryKind,
  context: RuleContext,
  problems: ProblemList,
): void {
  if (entries?.length === 0) problems.fail(path, 'is empty: leave it out if any is meant');
  for (const [index, entry] of (entries ?? []).entries()) {
    const place = entry === undefined ? `${path}[${index}]` : `${path}[${index}].${name}`;
    const lists: Lists = { ...entry };
    if (Object.values(lists).every((values) => values?.length === 0))
      problems.fail(place, `has no condition, so it never holds: want ${name} with ${listFirst(checks)}, …`);
    for (const [field, check] of Object.entries(checks)) {
      checkValues(lists[field], check, `${place}.${field}`, problems);
      if (!lists[field]?.length) continue;
      if (context.action === 'CUSTOM' && CUSTOM_LACKS.includes(field))
        problems.fail(`${place}.${field}`, 'a CUSTOM policy cannot have this');
      if (http.includes(field)) tellUnjudged(`${place}.${field}`, context, problems);
    }
    const accounts = ACCOUNT_FIELDS.find((field) => lists[field]?.length);
    if (accounts !== undefined && IDENTITY_FIELDS.some((field) => lists[field]?.length))
      problems.fail(`${place}.${accounts}`, 'want no principals and no namespaces beside service accounts');
  }
}

function listFirst(checks: EntryKind['checks']): string {
  return Object.keys(checks).slice(0, 3).join(', ');
}

function checkValues(
  values: readonly string[] | undefined,
  check: ValueCheck,
  path: string,
  problems: ProblemList,
): void {
  if (values?.length === 0) problems.warn(path, 'an empty list is no condition: leave it out');
  for (const [index, value] of (values ?? []).entries()) check(value, `${path}[${index}]`, problems);
}

function checkCondition(
  condition: PolicyRuleCondition,
  path: string,
  context: RuleContext,
  problems: ProblemList,
): void {
  const { key, values, notValues } = condition;
  const known = isConnectionKey(key) || OTHER_KEYS.includes(key) || KEY_FORMS.some((form) => form.test(key));
  if (!known) problems.fail(`${path}.key`, `unknown key ${JSON.stringify(key)}: want ${WANTED_KEYS}`);
  else if (context.action === 'CUSTOM' && CUSTOM_LACKS_KEY.test(key))
    problems.fail(`${path}.key`, `a CUSTOM policy cannot ask for ${key}`);
  else if (!isConnectionKey(key)) tellUnjudged(`${path}.key`, context, problems);
  if ((values ?? []).length + (notValues ?? []).length === 0) problems.fail(path, 'want values or notValues');
  const check = KEY_CHECKS.get(key) ?? checkText;
  checkValues(values, check, `${path}.values`, problems);
  checkValues(notValues, check, `${path}.notValues`, problems);
}

/** Says what becomes of a rule with a condition that a node proxy cannot judge (spec istiod.md §6.2). */
function tellUnjudged(path: string, { action, forWaypoint }: RuleContext, problems: ProblemList): void {
  if (forWaypoint) return;
  if (action === 'ALLOW')
    problems.warn(path, 'node proxies cannot judge this, so the whole rule is left out: it allows nobody');
  if (action === 'DENY')
    problems.warn(path, 'node proxies cannot judge this, so the rest of the rule applies without it');
}
