/**
 * Stable names of what can go wrong; new ones may be added in a minor version.
 * - `IPTABLES_TOOL_MISSING`: a program is not installed; the message says which package has it.
 * - `IPTABLES_PERMISSION`: this process may not enter the namespace or change its firewall.
 * - `IPTABLES_NAMESPACE_GONE`: the namespace does not exist (any more) or is not a network namespace.
 * - `IPTABLES_LOCKED`: another program held the xtables lock for too long (legacy backend only).
 * - `IPTABLES_RESTORE_FAILED`: the kernel or the tool refused a rule; `line` says which line of the payload.
 * - `IPTABLES_SAVE_FAILED`: the rules could not be read back.
 * - `IPTABLES_ROUTING_FAILED`: the policy route or its rule could not be read or changed.
 * - `IPTABLES_SET_FAILED`: a set of addresses could not be read or changed.
 * - `IPTABLES_CONFLICT`: other rules of ours are there, and they were not to be replaced.
 * - `IPTABLES_BACKEND_UNUSABLE`: no variant of iptables works here; the message says why each does not.
 * - `IPTABLES_RULE_INVALID`: a rule or option that cannot be expressed (bad address, port, mark, line break), or that is
 *   wanted outside of what is owned.
 * - `IPTABLES_SAVE_INVALID`: text that is not `iptables-save` output; the message has line and column.
 * - `IPTABLES_PACKET_INVALID`: a description that is no packet, or none for these rules; the message has the column.
 * - `IPTABLES_COMMAND_INVALID`: wrong arguments of the command.
 */
export type IptablesErrorCode =
  | 'IPTABLES_TOOL_MISSING'
  | 'IPTABLES_PERMISSION'
  | 'IPTABLES_NAMESPACE_GONE'
  | 'IPTABLES_LOCKED'
  | 'IPTABLES_RESTORE_FAILED'
  | 'IPTABLES_SAVE_FAILED'
  | 'IPTABLES_ROUTING_FAILED'
  | 'IPTABLES_SET_FAILED'
  | 'IPTABLES_CONFLICT'
  | 'IPTABLES_BACKEND_UNUSABLE'
  | 'IPTABLES_RULE_INVALID'
  | 'IPTABLES_SAVE_INVALID'
  | 'IPTABLES_PACKET_INVALID'
  | 'IPTABLES_COMMAND_INVALID';

/** What an {@link IptablesError} may carry besides its message. */
export interface IptablesErrorOptions extends ErrorOptions {
  /** Line of the payload or of the parsed text, from 1. */
  readonly line?: number;
  /** Column of the parsed text, from 1. */
  readonly column?: number;
}

/** Failure of this package. Branch on `code` (stable, semver); the message is for people and may change. */
export class IptablesError extends Error {
  override readonly name = 'IptablesError';
  readonly code: IptablesErrorCode;
  /** Line of the restore payload (or of the parsed text) that was refused, from 1; undefined if unknown. */
  readonly line: number | undefined;
  /** Column of the parsed text, from 1; undefined if unknown. */
  readonly column: number | undefined;

  constructor(code: IptablesErrorCode, message: string, options?: IptablesErrorOptions) {
    super(message, options);
    this.code = code;
    this.line = options?.line;
    this.column = options?.column;
  }
}
