import { IptablesError } from '../../errors.ts';
import type { RuleScope } from '../matches/match-kind.ts';
import type { Family, TableName, Target } from '../rule.ts';
import { DNAT, SNAT } from './address-nat.ts';
import { CHAIN } from './chain.ts';
import { CONNMARK } from './connmark.ts';
import { CT } from './ct.ts';
import { LOG } from './log.ts';
import { MARK } from './mark.ts';
import { MASQUERADE } from './masquerade.ts';
import { RAW } from './raw.ts';
import { REDIRECT } from './redirect.ts';
import { REJECT } from './reject.ts';
import type { TargetKind } from './target-kind.ts';
import { TCPMSS } from './tcpmss.ts';
import { TPROXY } from './tproxy.ts';
import { VERDICT } from './verdict.ts';

type Named<K, T = Target> = T extends Target ? (K extends T['target'] ? T : never) : never;

/** Extensions by the name after `-j`, which is the discriminator of their data. */
const EXTENSIONS = { CONNMARK, MARK, LOG, TCPMSS, REJECT, REDIRECT, DNAT, SNAT, MASQUERADE, TPROXY, CT } as const;

const KINDS = {
  ACCEPT: VERDICT,
  DROP: VERDICT,
  RETURN: VERDICT,
  jump: CHAIN,
  goto: CHAIN,
  ...EXTENSIONS,
  raw: RAW,
} as const satisfies { readonly [K in Target['target']]: TargetKind<Named<K>> };

const BY_NAME: ReadonlyMap<string, TargetKind<Target>> = new Map<string, TargetKind<Target>>(
  Object.entries(EXTENSIONS),
);

/** The extension that `-j name` means in a table, if this package has data for it there. */
export function targetNamed(name: string, table: TableName): TargetKind<Target> | undefined {
  const kind = BY_NAME.get(name);
  return kind?.table === undefined || kind.table === table ? kind : undefined;
}

/** The only table that has the target; undefined where all have. */
export function tableOfTarget(target: Target): TableName | undefined {
  return kindOf(target).table;
}

/** Text of a target with its `-j` or `-g`. Throws `IPTABLES_RULE_INVALID`. */
export function renderTarget(target: Target): string {
  return kindOf(target).render(target);
}

/** One target in the spelling of `iptables-save`: the same object if it is so already. */
export function listTarget(target: Target, family: Family): Target {
  return kindOf(target).list?.(target, family) ?? target;
}

/** Why the target is not possible there; undefined where it is. */
export function checkTarget(target: Target, scope: RuleScope): string | undefined {
  const kind = kindOf(target);
  const { table, hooks } = kind;
  if (table !== undefined && table !== scope.table) return `${target.target} is for table ${table} only`;
  const wrong = hooks && [...scope.hooks].find((hook) => !hooks.includes(hook));
  if (wrong !== undefined)
    return `packets of ${wrong} get to it, and ${target.target} takes those of ${hooks?.join(', ')} only`;
  return kind.check?.(target, scope);
}

function kindOf(target: Target): TargetKind<Target> {
  const kind: TargetKind<Target> | undefined = KINDS[target.target];
  if (kind !== undefined) return kind;
  const given = JSON.stringify(target);
  throw new IptablesError('IPTABLES_RULE_INVALID', `there is no target ${given} (rawTarget takes any words)`);
}
