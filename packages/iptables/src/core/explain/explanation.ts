import type { Family, Rule, TableName } from '../rule.ts';
import type { Packet } from './packet.ts';
import type { Assumption } from './possibility.ts';

/** How a rule met the packet: `depends` where it matches in some of the possibilities still open, and not in others. */
export type RuleResult = 'matched' | 'not-matched' | 'undecided' | 'depends';

/** One thing that happened on the way, in order. */
export type Step =
  | {
      /** A table's built-in chain begins, or is left out. */
      readonly step: 'chain';
      readonly table: TableName;
      readonly chain: string;
      /** Why the packet does not pass it. */
      readonly skipped?: string;
    }
  | {
      readonly step: 'rule';
      readonly table: TableName;
      readonly chain: string;
      /** Position in its chain, from 1, as `iptables -L --line-numbers` counts. */
      readonly number: number;
      /** How many chains called it; 0 in a built-in chain. */
      readonly depth: number;
      readonly rule: Rule;
      readonly result: RuleResult;
      /** Which condition failed or is not known; empty for a match. */
      readonly reason: string;
      /** What the target changed, or why its chain is not walked. */
      readonly change?: string;
    }
  | {
      /** A built-in chain ended without a verdict. */
      readonly step: 'policy';
      readonly table: TableName;
      readonly chain: string;
      readonly policy: 'ACCEPT' | 'DROP';
    }
  | {
      /** The kernel chose where the packet goes, or nothing else but that happened. */
      readonly step: 'routing';
      readonly text: string;
    };

/** The packet at its end; what is not known is absent. */
export interface PacketAtEnd {
  /** `10.0.0.1:80`, `[fd00::1]:80`; `?` for what is not known. */
  readonly source: string;
  readonly destination: string;
  readonly inInterface?: string;
  readonly outInterface?: string;
  readonly mark?: number;
  readonly connectionMark?: number;
}

/** Where the packet may end, and when. */
export interface PossibleEnd {
  /**
   * `delivered` to a program of this machine, `sent` by an interface, `dropped`, `rejected` (dropped with an answer), or
   * `unknown`: given to a target whose effect is not known, or not followed for the walk had come to its limit.
   */
  readonly end: 'delivered' | 'sent' | 'dropped' | 'rejected' | 'unknown';
  /** The end in words. */
  readonly text: string;
  /** The rule or policy that ended it, such as `filter INPUT 3`; absent for `delivered` and `sent`. */
  readonly by?: string;
  readonly packet: PacketAtEnd;
  /** It ends so if all assumptions of one of these hold; one empty list where it depends on nothing. */
  readonly conditions: readonly (readonly Assumption[])[];
  /** The conditions kept are not all there are. */
  readonly incomplete: boolean;
}

/** A packet's way through a saved firewall. */
export interface Explanation {
  readonly family: Family;
  readonly packet: Packet;
  /** In order; the notes say so if they are not all. */
  readonly steps: readonly Step[];
  /** In the order found; never empty. */
  readonly ends: readonly PossibleEnd[];
  /** There is one end, it is known, and nothing was left out. */
  readonly decided: boolean;
  /** What was taken for granted, and what a save does not say. */
  readonly notes: readonly string[];
}
