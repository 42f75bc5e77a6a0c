import { IptablesError } from '../errors.ts';
import { type CommandIo, EXIT } from './command-io.ts';
import { runDiff } from './diff-command.ts';
import { runExplain } from './explain-command.ts';
import { HELP, isTopic } from './help.ts';
import { runRules } from './rules-command.ts';

const COMMANDS: {
  readonly [name: string]: (args: readonly string[], io: CommandIo) => number | Promise<number>;
} = { rules: runRules, diff: runDiff, explain: runExplain };

/**
 * Runs the command of this package with `args` (without program and script); gives the exit code. Never rejects: what
 * goes wrong is one line on standard error and exit code 2.
 */
export async function runCommand(args: readonly string[], io: CommandIo): Promise<number> {
  try {
    return await dispatch(args, io);
  } catch (error) {
    io.writeError(`ambient-iptables: ${firstLine(error)}\n`);
    return EXIT.failure;
  }
}

function dispatch(args: readonly string[], io: CommandIo): number | Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) throw invalid('want a command: rules, diff or explain (--help tells more)');
  if (name === '--version') return print(`${io.version}\n`, io);
  if (name === '--help' || name === '-h' || name === 'help') return printHelp(name === 'help' ? rest : [], io);
  const run = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (run === undefined) throw invalid(`${JSON.stringify(name)} is no command: want rules, diff or explain`);
  const options = rest.slice(0, rest.includes('--') ? rest.indexOf('--') : rest.length);
  if (options.includes('--help') || options.includes('-h')) return printHelp([name], io);
  return run(rest, io);
}

function printHelp([topic = 'all', more]: readonly string[], io: CommandIo): number {
  if (!isTopic(topic) || more !== undefined) throw invalid('want help rules, help diff or help explain');
  return print(HELP[topic], io);
}

function print(text: string, io: CommandIo): number {
  io.write(text);
  return EXIT.success;
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n', 1)[0] ?? '';
}

function invalid(what: string): IptablesError {
  return new IptablesError('IPTABLES_COMMAND_INVALID', what);
}
