import { readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LAB_COMMAND } from '../command-name.ts';
import { LabError } from '../errors.ts';
import { type PolicyText, readCheckedPolicies } from '../policies/policy-texts.ts';
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
  isInitAlive,
  type LabBase,
  labDirectory,
  mountNamespaceOf,
  readRecord,
  removeLab,
  startTimeOf,
  writeRecord,
} from '../state/state-directory.ts';
import { PASSED_VARIABLES, type SupervisorConfig } from '../supervisor/supervisor-config.ts';
import { DEFAULT_TOPOLOGY, type Topology } from '../topology/topology.ts';
import { findInit, followReports, spawnBootstrap } from './bootstrap-process.ts';
import { ControlClient } from './control-client.ts';
import { LabClient } from './lab-client.ts';
import { checkNamespaces, checkPlatform } from './preconditions.ts';
import { baseOf, type Environment, pathOf } from './surroundings.ts';

/** What the lab is called when nothing is said. */
export const DEFAULT_LAB_NAME = 'default';
const SUPERVISOR = fileURLToPath(new URL('../supervisor/main.ts', import.meta.url));
const OWN_ZTUNNEL = fileURLToPath(new URL('../../../ztunnel/src/main.ts', import.meta.url));
const SOURCE_CONDITION = '--conditions=@ambientmesh/source';

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
  /** Policy objects that are in force from the start, as `LabClient.applyPolicies` takes them; malformed ones are LAB_POLICY_INVALID. */
  readonly policies?: readonly PolicyText[];
  /** The caller's variables, for finding programs and folders, and for commands in pods. A default PATH and `os.tmpdir()` if absent. */
  readonly environment?: Environment;
  /** Told what is being done; first when the machine has been found fit, the name is taken and processes are started. */
  readonly onStep?: (step: string) => void;
  /** Aborts the start, or ends the lab. */
  readonly signal?: AbortSignal;
}

/** A lab that this process has started. */
export interface StartedLab {
  readonly client: LabClient;
  /** Resolves when nothing of the lab runs any more; rejects with LAB_DIED if it did not end in order. */
  readonly ended: Promise<void>;
  /** Lets the lab live on when this process ends. */
  keep(): Promise<void>;
}

/**
 * Starts a lab and resolves when it is up; it ends with `close`, or with this process, however that ends. Needs Linux, and
 * root or user namespaces. Throws `LabError`: LAB_PLATFORM_UNSUPPORTED, LAB_TOOL_MISSING, LAB_NAMESPACES_FORBIDDEN,
 * LAB_ALREADY_RUNNING, LAB_STATE_UNSAFE, LAB_POLICY_INVALID, LAB_START_FAILED and whatever the parts of the lab say.
 */
export async function startLab(options: LabOptions = {}): Promise<LabClient> {
  const { client } = await launchLab(options);
  return client;
}

/** As `startLab`, for those who may want to leave it running. */
export async function launchLab(options: LabOptions = {}): Promise<StartedLab> {
  options.signal?.throwIfAborted();
  const { name = DEFAULT_LAB_NAME, environment = {} } = options;
  const config = configOf(options, name);
  const path = pathOf(environment);
  checkPlatform(path);
  const privileged = isPrivileged();
  checkNamespaces(privileged, path);
  const base = baseOf(environment);
  const directory = await claimLab(base, name);
  writeFileSync(join(directory, BOOTSTRAP_FILE), BOOTSTRAP_SCRIPT);
  writeFileSync(join(directory, CONFIG_FILE), JSON.stringify(config));
  const command = buildBootstrapCommand({
    basePath: base.path,
    name,
    privileged,
    command: [process.execPath, SOURCE_CONDITION, SUPERVISOR, `${LABS_INSIDE}/${name}/${CONFIG_FILE}`],
  });
  const {
    process: bootstrap,
    lifeline,
    reports,
    log,
  } = spawnBootstrap(command, join(directory, 'supervisor.log'), path);
  const exit = new Promise<string>((resolve) => {
    bootstrap.once('exit', (code, signal) => resolve(signal ?? `exit ${code}`));
    bootstrap.once('error', (error) => resolve(error.message));
  });
  const abandon = (): void => {
    lifeline.destroy();
  };
  options.signal?.addEventListener('abort', abandon, { once: true });
  const end = async (): Promise<void> => {
    options.signal?.removeEventListener('abort', abandon);
    lifeline.destroy();
    await exit;
    removeLab(base, name);
  };
  try {
    options.onStep?.('namespaces');
    await followReports(reports, { exit, log, onStep: options.onStep });
    options.signal?.throwIfAborted();
    const initPid = findInit(bootstrap.pid ?? 0);
    recordInit(base, name, initPid);
    const control = await ControlClient.open(controlSocketPath(base, name));
    const entrance = { initPid, userNamespace: !privileged };
    const client = new LabClient({
      name,
      control,
      entrance,
      environment: { ...environment, PATH: path },
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
    const ended = inOrder(name, exit);
    // Not everybody asks.
    ended.catch(() => undefined);
    return { client, ended, keep };
  } catch (error) {
    await end();
    options.signal?.throwIfAborted();
    throw error;
  }
}

/** Connects to a lab that was started by somebody else (`lab up --keep`). Closing ends only the connection. Throws LAB_NOT_RUNNING. */
export async function attachLab(name: string = DEFAULT_LAB_NAME, environment: Environment = {}): Promise<LabClient> {
  const base = baseOf(environment);
  const record = readRecord(base, name);
  const initPid = record?.initPid;
  if (record === undefined || initPid === undefined || !isInitAlive(initPid, record)) {
    // What a dead lab left; one that is being started has no process 1 yet but its starter lives.
    if (record === undefined || startTimeOf(record.starterPid) !== record.starterStart) removeLab(base, name);
    throw new LabError('LAB_NOT_RUNNING', `lab ${name}: is not running (start it with \`${LAB_COMMAND} up --keep\`)`);
  }
  const control = await ControlClient.open(controlSocketPath(base, name));
  return new LabClient({
    name,
    control,
    entrance: { initPid, userNamespace: hasOwnUserNamespace(initPid) },
    environment: { ...environment, PATH: pathOf(environment) },
    end: async () => control.close(),
  });
}

/** Ends a lab and waits until nothing is left of it. Throws LAB_NOT_RUNNING. */
export async function endLab(name: string = DEFAULT_LAB_NAME, environment: Environment = {}): Promise<void> {
  const base = baseOf(environment);
  const client = await attachLab(name, environment);
  const { initPid } = client;
  const mountNamespace = mountNamespaceOf(initPid);
  await client.down();
  await client.waitFor(async () => mountNamespaceOf(initPid) !== mountNamespace, { what: `end of lab ${name}` });
  await client.close();
  removeLab(base, name);
}

function configOf(options: LabOptions, name: string): SupervisorConfig {
  if (options.mesh === false && options.policies !== undefined)
    throw new LabError('LAB_ARGUMENT_INVALID', 'policies: without a mesh nobody goes by them');
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
    ownZtunnel: options.ztunnel === undefined,
    ztunnelEnvironment: options.ztunnelEnvironment ?? {},
    mesh: options.mesh ?? true,
    enrol: options.enrol ?? true,
    restartZtunnel: options.restartZtunnel ?? true,
    ...(options.certificateSeconds === undefined ? {} : { certificateSeconds: options.certificateSeconds }),
    environment,
    policies: readCheckedPolicies(options.policies ?? []),
  };
}

/** Throws LAB_DIED unless the lab ends as it should. */
async function inOrder(name: string, exit: Promise<string>): Promise<void> {
  const how = await exit;
  if (how !== 'exit 0') throw new LabError('LAB_DIED', `lab ${name}: ended by itself: ${how}`);
}

function recordInit(base: LabBase, name: string, initPid: number): void {
  const record = readRecord(base, name);
  if (record === undefined) throw new LabError('LAB_START_FAILED', `${labDirectory(base, name)}: its record is gone`);
  const mountNamespace = mountNamespaceOf(initPid);
  if (mountNamespace === undefined) throw new LabError('LAB_START_FAILED', 'process 1 of the lab has ended');
  writeRecord(base, { ...record, initPid, mountNamespace });
}

function hasOwnUserNamespace(pid: number): boolean {
  return readlinkSync(`/proc/${pid}/ns/user`) !== readlinkSync('/proc/self/ns/user');
}
