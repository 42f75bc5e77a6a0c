import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { platform } from 'node:process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { StartReport } from '../control-protocol.ts';
import { LabError } from '../errors.ts';
import {
  BOOTSTRAP_FILE,
  BOOTSTRAP_SCRIPT,
  buildBootstrapCommand,
  CONFIG_FILE,
  isPrivileged,
  LABS_INSIDE,
} from '../state/bootstrap.ts';
import {
  claimLab,
  controlSocketPath,
  type LabBase,
  labDirectory,
  locateLabBase,
  pidNamespaceOf,
  readRecord,
  removeLab,
  startTimeOf,
  writeRecord,
} from '../state/state-directory.ts';
import { PASSED_VARIABLES, type SupervisorConfig } from '../supervisor/supervisor-config.ts';
import { DEFAULT_TOPOLOGY, type Topology } from '../topology/topology.ts';
import { ControlClient } from './control-client.ts';
import { findInPath } from './enter.ts';
import { LabClient } from './lab-client.ts';

/** What the lab is called when nothing is said. */
export const DEFAULT_LAB_NAME = 'default';
const SUPERVISOR = fileURLToPath(new URL('../supervisor/main.ts', import.meta.url));
const OWN_ZTUNNEL = fileURLToPath(new URL('../../../ztunnel/src/main.ts', import.meta.url));
const SOURCE_CONDITION = '--conditions=@ambientmesh/source';
const FALLBACK_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Programs a lab runs, with the package of Debian that has them. */
const TOOLS: Readonly<Record<string, string>> = {
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
  ip: 'iproute2',
  'iptables-restore': 'iptables',
  sh: 'dash',
};

/** What lab to start. */
export interface LabOptions {
  /** Labs of different names run side by side; `default` if absent. `startLab` of a name that runs throws. */
  readonly name?: string;
  /** `DEFAULT_TOPOLOGY` if absent. */
  readonly topology?: Topology;
  /** Command of another ztunnel, without `proxy ztunnel`; the project's own if absent. */
  readonly ztunnel?: readonly string[];
  /** More variables for the ztunnels; they win over the lab's. */
  readonly ztunnelEnvironment?: Readonly<Record<string, string>>;
  /** No: only network and pods, no ztunnel. Yes if absent. */
  readonly mesh?: boolean;
  /** Enrol all pods that the topology does not except; yes if absent. */
  readonly enrol?: boolean;
  /** Start a ztunnel again when it ends by itself; yes if absent. */
  readonly restartZtunnel?: boolean;
  /** Lifetime of workload certificates in seconds; what ztunnel asks for (a day) if absent. */
  readonly certificateSeconds?: number;
  /** The caller's variables: PATH, HOME, LANG, XDG_RUNTIME_DIR, TMPDIR are used. A default PATH and `os.tmpdir()` if absent. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Told what is being done. */
  readonly onStep?: (step: string) => void;
  /** Aborts the start, or ends the lab. */
  readonly signal?: AbortSignal;
}

/** A lab that this process has started. */
export interface StartedLab {
  readonly client: LabClient;
  /** Lets the lab live on when this process ends. */
  keep(): Promise<void>;
}

/**
 * Starts a lab and resolves when it is up; it ends with `close`, or with this process, however that ends. Needs Linux, and
 * root or user namespaces. Throws `LabError`: LAB_PLATFORM_UNSUPPORTED, LAB_TOOL_MISSING, LAB_NAMESPACES_FORBIDDEN,
 * LAB_ALREADY_RUNNING, LAB_STATE_UNSAFE, LAB_START_FAILED and whatever the parts of the lab say.
 */
export async function startLab(options: LabOptions = {}): Promise<LabClient> {
  const { client } = await launchLab(options);
  return client;
}

/** As `startLab`, for those who may want to leave it running. */
export async function launchLab(options: LabOptions = {}): Promise<StartedLab> {
  options.signal?.throwIfAborted();
  const { name = DEFAULT_LAB_NAME, environment = {} } = options;
  const path = pathOf(environment);
  checkPlatform(path);
  const privileged = isPrivileged();
  checkNamespaces(privileged);
  const base = baseOf(environment);
  const directory = await claimLab(base, name);
  writeFileSync(join(directory, BOOTSTRAP_FILE), BOOTSTRAP_SCRIPT);
  writeFileSync(join(directory, CONFIG_FILE), JSON.stringify(configOf(options, name)));
  const command = buildBootstrapCommand({
    basePath: base.path,
    name,
    privileged,
    command: [process.execPath, SOURCE_CONDITION, SUPERVISOR, `${LABS_INSIDE}/${name}/${CONFIG_FILE}`],
  });
  const { process: bootstrap, lifeline, reports } = spawnBootstrap(command, join(directory, 'supervisor.log'), path);
  const ended = new Promise<void>((resolve) => {
    bootstrap.once('exit', () => resolve());
    bootstrap.once('error', () => resolve());
  });
  const abandon = (): void => {
    lifeline.destroy();
  };
  options.signal?.addEventListener('abort', abandon, { once: true });
  const end = async (): Promise<void> => {
    options.signal?.removeEventListener('abort', abandon);
    lifeline.destroy();
    await ended;
    removeLab(base, name);
  };
  try {
    await followReports(reports, { ended, logPath: join(directory, 'supervisor.log'), onStep: options.onStep });
    options.signal?.throwIfAborted();
    const initPid = findInit(bootstrap.pid ?? 0);
    recordInit(base, name, initPid);
    const control = await ControlClient.open(controlSocketPath(base, name));
    const entrance = { initPid, userNamespace: !privileged };
    const client = new LabClient({
      name,
      control,
      entrance,
      path,
      end: async () => {
        control.close();
        await end();
      },
    });
    const keep = async (): Promise<void> => {
      options.signal?.removeEventListener('abort', abandon);
      await new Promise<void>((resolve) => lifeline.end('keep\n', () => resolve()));
      lifeline.destroy();
      bootstrap.unref();
      control.unref();
    };
    return { client, keep };
  } catch (error) {
    await end();
    options.signal?.throwIfAborted();
    throw error;
  }
}

/** Connects to a lab that was started by somebody else (`lab up --keep`). Closing ends only the connection. Throws LAB_NOT_RUNNING. */
export async function attachLab(
  name: string = DEFAULT_LAB_NAME,
  environment: Readonly<Record<string, string | undefined>> = {},
): Promise<LabClient> {
  const base = baseOf(environment);
  const record = readRecord(base, name);
  const initPid = record?.initPid;
  if (initPid === undefined || pidNamespaceOf(initPid) !== record?.pidNamespace) {
    // What a dead lab left; one that is being started has no process 1 yet but its starter lives.
    if (record === undefined || startTimeOf(record.starterPid) !== record.starterStart) removeLab(base, name);
    throw new LabError('LAB_NOT_RUNNING', `lab ${name}: is not running (start it with \`lab up --keep\`)`);
  }
  const control = await ControlClient.open(controlSocketPath(base, name));
  return new LabClient({
    name,
    control,
    entrance: { initPid, userNamespace: hasOwnUserNamespace(initPid) },
    path: pathOf(environment),
    end: async () => control.close(),
  });
}

/** Ends a lab and waits until nothing is left of it. Throws LAB_NOT_RUNNING. */
export async function endLab(
  name: string = DEFAULT_LAB_NAME,
  environment: Readonly<Record<string, string | undefined>> = {},
): Promise<void> {
  const base = baseOf(environment);
  const client = await attachLab(name, environment);
  const { initPid } = client;
  const pidNamespace = pidNamespaceOf(initPid);
  await client.down();
  await client.waitFor(async () => pidNamespaceOf(initPid) !== pidNamespace, { what: `end of lab ${name}` });
  await client.close();
  removeLab(base, name);
}

/** The folder of the caller's labs. Throws LAB_STATE_UNSAFE. */
export function baseOf(environment: Readonly<Record<string, string | undefined>>): LabBase {
  return locateLabBase({
    runtimeDirectory: environment['XDG_RUNTIME_DIR'],
    temporaryDirectory: environment['TMPDIR'] ?? tmpdir(),
    uid: userInfo().uid,
  });
}

function pathOf(environment: Readonly<Record<string, string | undefined>>): string {
  const own = environment['PATH'];
  // An ordinary user's PATH often lacks the sbin folders, where ip and iptables are.
  return own === undefined ? FALLBACK_PATH : `${own}:${FALLBACK_PATH}`;
}

function configOf(options: LabOptions, name: string): SupervisorConfig {
  const given = options.environment ?? {};
  const environment: Record<string, string> = {};
  for (const variable of PASSED_VARIABLES) {
    const value = variable === 'PATH' ? pathOf(given) : given[variable];
    if (value !== undefined) environment[variable] = value;
  }
  return {
    name,
    topology: options.topology ?? DEFAULT_TOPOLOGY,
    ztunnelCommand: options.ztunnel ?? [process.execPath, SOURCE_CONDITION, OWN_ZTUNNEL],
    ztunnelEnvironment: options.ztunnelEnvironment ?? {},
    mesh: options.mesh ?? true,
    enrol: options.enrol ?? true,
    restartZtunnel: options.restartZtunnel ?? true,
    ...(options.certificateSeconds === undefined ? {} : { certificateSeconds: options.certificateSeconds }),
    environment,
  };
}

function checkPlatform(path: string): void {
  if (platform !== 'linux')
    throw new LabError('LAB_PLATFORM_UNSUPPORTED', `${platform}: the lab is made of Linux namespaces (use a Linux VM)`);
  const missing = Object.keys(TOOLS).filter((tool) => findInPath(tool, path) === undefined);
  const packages = [...new Set(missing.map((tool) => TOOLS[tool]))].join(' ');
  if (missing.length > 0)
    throw new LabError('LAB_TOOL_MISSING', `${missing.join(', ')}: not found (install ${packages})`);
}

function checkNamespaces(privileged: boolean): void {
  const args = privileged ? ['--net', 'true'] : ['--user', '--map-root-user', '--net', '--mount', 'true'];
  const { status, stderr } = spawnSync('unshare', args, { encoding: 'utf8' });
  if (status === 0) return;
  const restricted = existsSync('/proc/sys/kernel/apparmor_restrict_unprivileged_userns')
    ? 'sysctl kernel.apparmor_restrict_unprivileged_userns=0'
    : 'sysctl user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1';
  throw new LabError(
    'LAB_NAMESPACES_FORBIDDEN',
    `this kernel or container does not let uid ${userInfo().uid} make namespaces: ${stderr.trim()} (run as root, or \`${restricted}\`)`,
  );
}

interface Bootstrap {
  readonly process: ReturnType<typeof spawn>;
  /** As long as it is open the lab lives. */
  readonly lifeline: Writable;
  readonly reports: Readable;
}

function spawnBootstrap(command: readonly string[], logPath: string, path: string): Bootstrap {
  const [program = '', ...args] = command;
  const log = openSync(logPath, 'a', 0o600);
  try {
    // A session of its own: Ctrl-C is the starter's, who then ends the lab in order.
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', log],
      detached: true,
      cwd: '/',
      env: { PATH: path },
    });
    const { stdin: lifeline, stdout: reports } = child;
    if (lifeline === null || reports === null) throw new LabError('LAB_START_FAILED', 'no pipes to the lab');
    lifeline.on('error', () => undefined);
    return { process: child, lifeline, reports };
  } finally {
    closeSync(log);
  }
}

/** Resolves at `ready`. Throws what the supervisor reports, or LAB_START_FAILED with the last line of its log. */
async function followReports(
  reports: Readable,
  context: {
    readonly ended: Promise<void>;
    readonly logPath: string;
    readonly onStep: ((step: string) => void) | undefined;
  },
): Promise<void> {
  try {
    for await (const line of createInterface({ input: reports })) {
      const report: StartReport = JSON.parse(line);
      if ('error' in report) throw new LabError(report.error.code, report.error.message);
      if ('ready' in report) return;
      context.onStep?.(report.step);
    }
  } finally {
    reports.destroy();
  }
  await context.ended;
  const said = readFileSync(context.logPath, 'utf8').trim().split('\n').at(-1) ?? '';
  throw new LabError('LAB_START_FAILED', `the lab ended before it was up: ${said === '' ? 'no message' : said}`);
}

/** Process 1 of the lab: the only child of `unshare`. */
function findInit(unsharePid: number): number {
  const children = readFileSync(`/proc/${unsharePid}/task/${unsharePid}/children`, 'utf8').trim();
  const pid = Number(children.split(' ')[0]);
  if (!Number.isInteger(pid) || pid <= 0) throw new LabError('LAB_START_FAILED', 'process 1 of the lab has ended');
  return pid;
}

function recordInit(base: LabBase, name: string, initPid: number): void {
  const record = readRecord(base, name);
  if (record === undefined) throw new LabError('LAB_START_FAILED', `${labDirectory(base, name)}: its record is gone`);
  const pidNamespace = pidNamespaceOf(initPid);
  if (pidNamespace === undefined) throw new LabError('LAB_START_FAILED', 'process 1 of the lab has ended');
  writeRecord(base, { ...record, initPid, pidNamespace });
}

function hasOwnUserNamespace(pid: number): boolean {
  return readlinkSync(`/proc/${pid}/ns/user`) !== readlinkSync('/proc/self/ns/user');
}
