import type { Command } from './command-io.ts';
import { TEST_COMMAND } from './test-command.ts';

/** The subcommands by name, in the order of help. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([['test', TEST_COMMAND]]);
