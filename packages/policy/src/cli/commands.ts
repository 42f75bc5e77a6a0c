import { CHECK_COMMAND } from './check-command.ts';
import type { Command } from './command-io.ts';
import { CONVERT_COMMAND } from './convert-command.ts';
import { EXPLAIN_COMMAND } from './explain-command.ts';
import { TEST_COMMAND } from './test-command.ts';
import { WHAT_IF_COMMAND } from './what-if-command.ts';

/** The subcommands by name, in the order of help. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['check', CHECK_COMMAND],
  ['convert', CONVERT_COMMAND],
  ['explain', EXPLAIN_COMMAND],
  ['test', TEST_COMMAND],
  ['what-if', WHAT_IF_COMMAND],
]);
