import type { Match, TableName, Target } from './rule.ts';

/** Built-in chains by table, as a list for messages; {@link BuiltInChain} splits it. */
interface BuiltInLists {
  readonly filter: 'INPUT, FORWARD, OUTPUT';
  readonly mangle: 'PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING';
  readonly nat: 'PREROUTING, INPUT, OUTPUT, POSTROUTING';
  readonly raw: 'PREROUTING, OUTPUT';
  readonly security: 'INPUT, FORWARD, OUTPUT';
}

type Split<List extends string> = List extends `${infer First}, ${infer Rest}` ? First | Split<Rest> : List;

type BuiltInChain<T extends TableName> = Split<BuiltInLists[T]>;

/** What one rule of a table says. */
export interface RuleSpec<T extends Target = Target> {
  readonly matches: readonly Match[];
  // Without undefined the compiler would speak of that first, whatever is wrong with a target.
  readonly target?: T | undefined;
  /** Where in the chain, from 1: `{ ...rule([], jump('OURS')), position: 1 }` comes before all rules that others have. */
  readonly position?: number;
}

/** A built-in chain: what happens to packets that no rule decides (`ACCEPT` where absent), and its rules. */
export interface BuiltInChainSpec<T extends TableName> {
  readonly policy?: 'ACCEPT' | 'DROP';
  readonly rules?: readonly RuleSpec<Target<T>>[];
}

/** A chain of one's own: its rules, and no policy. */
export interface UserChainSpec<T extends TableName> {
  /** Never there: the words are what the compiler shows. */
  readonly policy?: 'only built-in chains have a policy';
  readonly rules?: readonly RuleSpec<Target<T>>[];
}

/** A chain of a table that is not known yet. */
interface ChainSpec {
  readonly policy?: 'ACCEPT' | 'DROP';
  readonly rules?: readonly RuleSpec[];
}

/** The chains of a table by name. What the table and the name allow, {@link CheckedSpecs} says. */
export type TableSpec<T extends TableName> = {
  readonly [C in BuiltInChain<T>]?: ChainSpec;
} & { readonly [chain: string]: ChainSpec };

/** All tables by name. */
export type TableSpecs = { readonly [T in TableName]?: TableSpec<T> };

/** The same specs where they are possible; where they are not, words of ours for the compiler to show. */
export type CheckedSpecs<S> = {
  readonly [T in keyof S]: T extends TableName
    ? { readonly [C in keyof S[T]]: CheckedChain<T, C, S[T][C]> }
    : 'there is no such table';
};

type CheckedChain<T extends TableName, C, Spec> =
  C extends BuiltInChain<T>
    ? CheckedRules<T, Spec, BuiltInChainSpec<T>>
    : C extends string
      ? CheckedOwnChain<T, C, Spec>
      : never;

/** A name that is not known before the program runs may be any. */
type CheckedOwnChain<T extends TableName, C extends string, Spec> = string extends C
  ? CheckedRules<T, Spec, BuiltInChainSpec<T>>
  : Uppercase<C> extends BuiltInChain<TableName>
    ? `the built-in chains of ${T} are ${BuiltInLists[T]}`
    : CheckedRules<T, Spec, UserChainSpec<T>>;

type CheckedRules<T extends TableName, Spec, Wanted> = Spec extends {
  readonly rules: infer R extends readonly RuleSpec[];
}
  ? Omit<Wanted, 'rules'> & { readonly rules: { readonly [I in keyof R]: CheckedRule<T, R[I]> } }
  : Wanted;

type CheckedRule<T extends TableName, R> =
  R extends RuleSpec<infer X>
    ? [X] extends [Target<T>]
      ? R
      : `${Exclude<X, Target<T>>['target']} is no target of table ${T}`
    : never;
