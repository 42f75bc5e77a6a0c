import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { BareMachine, type CALLER, type Outcome } from './lab/bare-machine.ts';
import { type MachineState, machineState, traces } from './lab/traces.ts';

const DEMO = [process.execPath, fileURLToPath(new URL('../../tools/demo.js', import.meta.url))];
const LAB = [
  process.execPath,
  '--conditions=@ambientmesh/source',
  fileURLToPath(new URL('../../apps/lab/src/main.ts', import.meta.url)),
];
/** A lab of this name is refused after all prerequisites have been checked: that line means they are met. */
const BAD_NAME = ['--name', 'Not_A_Name'];
const PREREQUISITES_MET = /^lab: LAB_ARGUMENT_INVALID: lab name "Not_A_Name": .*$/;
const PROGRESS = /^(?:(?:reading|installing) .* \.\.\.|[✔✘] (?:reading|installing) .* \d+ s)$/;
const UPDATE = '-qq update';
const NO_NETWORK = "E: Failed to fetch http://deb.debian.org/x.deb  Temporary failure resolving 'deb.debian.org'";

let before: MachineState;
beforeAll(() => {
  before = machineState();
});

test.each<{ lacks: string[]; caller: keyof typeof CALLER; aptGet?: string; says: string }>([
  {
    lacks: ['iptables-restore'],
    caller: 'root',
    says: 'iptables-restore: not found; install with one of: apt-get install iptables; dnf install iptables-nft; pacman -S iptables; apk add iptables',
  },
  {
    lacks: ['nsenter', 'setpriv'],
    caller: 'root',
    says: 'nsenter, setpriv: not found; install with one of: apt-get install util-linux; dnf install util-linux; pacman -S util-linux; apk add util-linux-misc setpriv',
  },
  {
    lacks: ['iptables-restore'],
    caller: 'user',
    aptGet: 'uncover',
    says: 'iptables-restore: not found; install with one of: apt-get install iptables; dnf install iptables-nft; pacman -S iptables; apk add iptables',
  },
])('the demo without $lacks says to $caller what to install', ({ lacks, caller, aptGet, says }) => {
  using machine = new BareMachine({ lacks, ...(aptGet === undefined ? {} : { aptGet }) });
  expect(machine.run([...DEMO, ...BAD_NAME], caller)).toEqual(refusal(`demo: LAB_TOOL_MISSING: ${says}\n`));
  expect(machine.aptGetRuns()).toEqual([]);
  expectNothingLeft(machine);
});

test.each([
  { lacks: ['iptables-restore'], install: 'install -qq -y --no-install-recommends iptables' },
  { lacks: ['unshare', 'iptables-restore'], install: 'install -qq -y --no-install-recommends iptables util-linux' },
  { lacks: ['nsenter', 'setpriv'], install: 'install -qq -y --no-install-recommends util-linux' },
])('the demo without $lacks has root of Debian install it and goes on', ({ lacks, install }) => {
  // A question of debconf would wait for an answer for ever.
  const aptGet = '[ "$DEBIAN_FRONTEND" = noninteractive ] || exit 1\n[ "$1" != install ] || uncover';
  using machine = new BareMachine({ lacks, aptGet });
  const outcome = machine.run([...DEMO, ...BAD_NAME]);
  expect(machine.aptGetRuns()).toEqual([UPDATE, install]);
  expect(errorsOf(outcome)).toEqual([expect.stringMatching(PREREQUISITES_MET)]);
  expectNothingLeft(machine);
});

test('the demo with all programs runs no apt-get', () => {
  using machine = new BareMachine({ aptGet: 'exit 1' });
  expect(errorsOf(machine.run([...DEMO, ...BAD_NAME]))).toEqual([expect.stringMatching(PREREQUISITES_MET)]);
  expect(machine.aptGetRuns()).toEqual([]);
});

test.each([
  {
    title: 'has no network for the lists',
    aptGet: `echo "W: more"; echo "${NO_NETWORK}" >&2; echo "E: Some index files failed to download." >&2; exit 100`,
    runs: 1,
    says: `apt-get -qq update: exit 100: ${NO_NETWORK}`,
  },
  {
    title: 'has no network for the packages',
    aptGet: `[ "$1" = install ] || exit 0; echo "Err:1 iptables"; echo "${NO_NETWORK}" >&2; exit 100`,
    runs: 2,
    says: `apt-get install -qq -y --no-install-recommends iptables: exit 100: ${NO_NETWORK}`,
  },
  {
    title: 'fails with words of another program',
    aptGet: '[ "$1" = install ] || exit 0; echo one; echo "dpkg: no space" >&2; exit 2',
    runs: 2,
    says: 'apt-get install -qq -y --no-install-recommends iptables: exit 2: dpkg: no space',
  },
  { title: 'fails without a word', aptGet: 'exit 1', runs: 1, says: 'apt-get -qq update: exit 1' },
  { title: 'is killed', aptGet: 'kill -9 $$', runs: 1, says: 'apt-get -qq update: SIGKILL' },
])('an apt-get that $title is told in one line', ({ aptGet, runs, says }) => {
  using machine = new BareMachine({ lacks: ['iptables-restore'], aptGet });
  expect(errorsOf(machine.run([...DEMO, ...BAD_NAME]))).toEqual([
    `demo: LAB_TOOL_MISSING: iptables-restore: not found; ${says} (is the network there? \`apt-get install iptables\` by hand says more)`,
  ]);
  expect(machine.aptGetRuns()).toHaveLength(runs);
  expectNothingLeft(machine);
});

test('an apt-get that installs something else is noticed', () => {
  using machine = new BareMachine({ lacks: ['iptables-restore'], aptGet: 'exit 0' });
  expect(errorsOf(machine.run([...DEMO, ...BAD_NAME]))).toEqual([
    'lab: LAB_TOOL_MISSING: iptables-restore: not found (install iptables)',
  ]);
  expectNothingLeft(machine);
});

test.each(['root', 'user'] as const)(
  'the lab without iptables says to %s what to install, and installs nothing',
  (caller) => {
    using machine = new BareMachine({ lacks: ['iptables-restore'], aptGet: 'uncover' });
    expect(machine.run([...LAB, 'up'], caller)).toEqual(
      refusal('lab: LAB_TOOL_MISSING: iptables-restore: not found (install iptables)\n'),
    );
    expect(machine.aptGetRuns()).toEqual([]);
    expectNothingLeft(machine);
  },
);

test('an ordinary user without an entry in /etc/passwd meets the prerequisites', () => {
  using machine = new BareMachine({});
  expect(machine.run([...LAB, 'up', ...BAD_NAME], 'user').stderr.trim()).toMatch(PREREQUISITES_MET);
});

test.each([
  {
    caller: 'userWithoutNamespaces',
    says: 'does not let uid 12345 make namespaces: unshare: .* \\(run as root, or `sysctl user\\.max_user_namespaces=10000`, or in a container, .*`docker run --privileged`\\)',
  },
  {
    caller: 'rootOfContainer',
    says: 'does not let uid 0 make namespaces: unshare: .* \\(`sysctl user\\.max_user_namespaces=10000`, or in a container, .*`docker run --privileged`\\)',
  },
] as const)('$caller is told why there is no lab, and what to do', ({ caller, says }) => {
  using machine = new BareMachine({});
  for (const command of [DEMO, [...LAB, 'up']]) {
    const outcome = machine.run(command, caller);
    expect(errorsOf(outcome)).toEqual([
      expect.stringMatching(new RegExp(`^lab: LAB_NAMESPACES_FORBIDDEN: this kernel or container ${says}$`)),
    ]);
    expectNothingLeft(machine);
  }
});

function refusal(stderr: string): Outcome {
  return { status: 1, stdout: '', stderr };
}

/** What a command that was refused said on stderr, without progress. */
function errorsOf(outcome: Outcome): string[] {
  expect(outcome.status).toBe(1);
  const lines = outcome.stderr.split('\n');
  expect(lines.pop()).toBe('');
  return lines.filter((line) => !PROGRESS.test(line));
}

function expectNothingLeft(machine: BareMachine): void {
  expect(machine.leftBehind()).toEqual([]);
  expect(traces(before)).toEqual([]);
}
