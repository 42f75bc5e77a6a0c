import { COMMANDS } from './commands.ts';

const GAP = 2;

/** The text of `help`, or of `help COMMAND`; undefined if there is no such command. It ends in a line break. */
export function renderHelp(topic: string | undefined): string | undefined {
  return topic === undefined ? renderOverview() : COMMANDS.get(topic)?.help;
}

function renderOverview(): string {
  const rows = [
    ...COMMANDS.values(),
    { usage: 'help COMMAND', summary: 'more about one of them' },
    { usage: '--version', summary: 'print the version' },
  ];
  const width = Math.max(...rows.map(({ usage }) => usage.length)) + GAP;
  return `usage: ambient-policy COMMAND [options]

${rows.map(({ usage, summary }) => `  ${usage.padEnd(width)}${summary}\n`).join('')}
FILE is YAML or JSON, of any number of documents, a folder of such files, or - for standard input.
AuthorizationPolicy and PeerAuthentication objects are read as they are written for a cluster; no
cluster is asked.

ambient-policy is the command of the package @ambientmesh/policy; without an installation,
npx @ambientmesh/policy COMMAND runs it.

Exit codes: 0 nothing found, 1 something found (each command says what), 2 an error, 3 (what-if) the
log tells too little.
`;
}
