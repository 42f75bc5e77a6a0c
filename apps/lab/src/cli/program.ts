import { Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_LAB_NAME } from '../client/start-lab.ts';
import { LAB_COMMAND } from '../command-name.ts';
import { messageOf } from '../errors.ts';
import { runCapture } from './capture.ts';
import type { CliContext } from './context.ts';
import { runDemoCommand } from './demo.ts';
import { runDenials } from './denials.ts';
import { runExec } from './exec.ts';
import { FOLLOWED_LINES, type LogFlags, runLogs } from './logs.ts';
import { runEnrol, runZtunnel } from './mesh.ts';
import { runPolicyApply, runPolicyDelete, runPolicyList } from './policy.ts';
import { type StartFlags, splitCommand } from './start-flags.ts';
import { runStatus } from './status.ts';
import { runDown, runUp } from './up.ts';

const ENROLMENTS = { enrol: 'take pods into the mesh', unenrol: 'give pods back' } as const;
const RESTART_WARNING =
  'The pods are not restarted, nor is a ztunnel. Only one of another make (`up --ztunnel`) that learns who is enrolled ' +
  'when it starts is; connections through it end then, also those of other pods.';

/** The command line as data; `finish` is told the exit code. Parse with `parseAsync`. */
export function buildProgram(context: CliContext, finish: (exitCode: number) => void): Command {
  const program = new Command(LAB_COMMAND)
    .description('A service mesh on one Linux machine: nodes and pods are network namespaces.')
    .enablePositionalOptions()
    .configureOutput({ outputError: (text, write) => write(renderUsageError(text)) });
  addStart(program, context, finish);
  named(program.command('exec'))
    .description(`run a command in a pod, as \`${LAB_COMMAND} exec sleep -- curl httpbin\``)
    .argument('<pod>', 'pod (or node)')
    .argument('<command...>')
    .passThroughOptions()
    .action(async (pod: string, words: string[], flags: { name: string }) => {
      const argv = words[0] === '--' ? words.slice(1) : words;
      finish(await runExec(context, flags.name, { place: pod, argv }));
    });
  named(program.command('status'))
    .description('nodes, pods and services')
    .option('--json', 'for programs')
    .action((flags: { name: string; json?: boolean }) => runStatus(context, flags));
  named(program.command('logs'))
    .description('output of ztunnels and pods: `ztunnel@node1`, `httpbin-1`; all ztunnels if none is named')
    .argument('[sources...]')
    .option('-f, --follow', 'go on until interrupted')
    .option(
      '-n, --lines <n>',
      `begin with the last n lines of each (default: all; with -f: ${FOLLOWED_LINES})`,
      parseCount,
    )
    .action((sources: string[], flags: LogFlags) => runLogs(context, sources, flags));
  for (const direction of ['enrol', 'unenrol'] as const)
    named(program.command(direction))
      .summary(ENROLMENTS[direction])
      .description(`${ENROLMENTS[direction]}\n\n${RESTART_WARNING}`)
      .argument('<pods...>')
      .action((pods: string[], flags: { name: string }) => runEnrol(context, flags.name, { direction, pods }));
  named(program.command('ztunnel'))
    .description('stop, kill (-9), start or restart the ztunnel of a node')
    .argument('<what>', 'stop | kill | start | restart')
    .argument('<node>')
    .action((what: string, node: string, flags: { name: string }) => runZtunnel(context, flags.name, { what, node }));
  addPolicy(program, context);
  named(program.command('denials'))
    .description('connections that policies denied lately, and why; those that dry-run policies would deny, too')
    .argument('[pod]', 'only those to this pod')
    .option('--json', 'for programs')
    .action(async (pod: string | undefined, flags: { name: string; json?: boolean }) => {
      finish(await runDenials(context, pod, flags));
    });
  named(program.command('capture'))
    .description('frames between a node and the others (or of a pod), until Ctrl-C or for some seconds')
    .argument('<place>')
    .option('--seconds <n>', 'how long', parseSeconds)
    .action((place: string, flags: { name: string; seconds?: number }) => runCapture(context, place, flags));
  named(program.command('down'))
    .description('end a lab that was left running')
    .option('--all', 'all labs of this user')
    .action((flags: { name: string; all?: boolean }) => runDown(context, flags));
  return program;
}

function addStart(program: Command, context: CliContext, finish: (exitCode: number) => void): void {
  const capture = new Option('--capture <mode>', 'how traffic is captured in a pod').choices(['tproxy']);
  named(program.command('up'))
    .description(`start a lab and keep it until Ctrl-C (or, with --keep, until \`${LAB_COMMAND} down\`)`)
    .option('--keep', 'leave it running')
    .option('--ztunnel <command>', 'another ztunnel; `proxy ztunnel` is appended', parseCommand)
    .option('--ztunnel-env <name=value...>', 'variables for the ztunnels')
    .option('--topology <file>', 'nodes, pods and services as JSON')
    .option('--policies <file...>', 'policies as YAML (files or folders), in force from the start')
    .option('--no-enrol', 'leave the pods out of the mesh for now')
    .option('--no-mesh', 'only network and pods')
    .addOption(capture.default('tproxy'))
    .action((flags: StartFlags) => runUp(context, flags));
  named(program.command('demo'))
    .description('show what the mesh does, step by step')
    .option('--keep', 'leave the lab running')
    .option('--ztunnel <command>', 'another ztunnel; `proxy ztunnel` is appended', parseCommand)
    .option('--ztunnel-env <name=value...>', 'variables for the ztunnels')
    .action(async (flags: Omit<StartFlags, 'enrol' | 'mesh'>) => {
      finish(await runDemoCommand(context, { ...flags, enrol: false, mesh: true }));
    });
}

function addPolicy(program: Command, context: CliContext): void {
  const policy = program.command('policy').description('who may talk to whom: apply | delete | list');
  named(policy.command('apply'))
    .description('take AuthorizationPolicy and PeerAuthentication objects; returns when the ztunnels go by them')
    .argument('[files...]', 'YAML, or folders of it; - is stdin')
    .option('-f, --filename <files...>', 'the same, as kubectl has it')
    .action((files: string[], { name, filename = [] }: { name: string; filename?: string[] }) =>
      runPolicyApply(context, name, [...files, ...filename]),
    );
  named(policy.command('delete'))
    .description('remove them: AuthorizationPolicy/default/allow-sleep; ap and pa are kinds, too')
    .argument('<objects...>', 'KIND/NAMESPACE/NAME')
    .action((objects: string[], flags: { name: string }) => runPolicyDelete(context, flags.name, objects));
  named(policy.command('list'))
    .description('what is in force, and what was refused')
    .option('--json', 'for programs')
    .action((flags: { name: string; json?: boolean }) => runPolicyList(context, flags));
}

function named(command: Command): Command {
  return command.option('--name <name>', 'which lab', DEFAULT_LAB_NAME);
}

function parseCommand(text: string): readonly string[] {
  try {
    return splitCommand(text);
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

/** What commander says in lines of its own, as one like all others. */
function renderUsageError(text: string): string {
  const [what = '', ...more] = text.trim().split('\n');
  const said = [what.replace(/^error: /, ''), ...more].join(' ');
  return `lab: LAB_ARGUMENT_INVALID: ${said} (\`${LAB_COMMAND} --help\` says more)\n`;
}

function parseCount(text: string): number {
  const count = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(count) || count < 0)
    throw new InvalidArgumentError('want a whole number, 0 or more');
  return count;
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0)) throw new InvalidArgumentError('want a number of seconds');
  return seconds;
}
