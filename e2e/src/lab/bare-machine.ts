import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const EXECUTABLE = 0o755;
const TIMEOUT_MS = 20_000;
const STANDARD_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Nobody has it: users of containers often have no entry in `/etc/passwd`. */
const UID = 12_345;
/** A user of a user namespace in which a further one cannot be made; the limit is the namespace's, not the machine's. */
const NO_FURTHER_NAMESPACE = ['sh', '-ec', 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"', 'sh'];
const AS_USER = ['unshare', '--user', `--map-user=${UID}`, `--map-group=${UID}`];
const AS_ROOT = ['unshare', '--user', '--map-root-user', '--'];
const DROP_AMBIENT = ['setpriv', '--ambient-caps=-all', '--inh-caps=-all', '--'];
const DROP_BOUNDING = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--'];

/** Who a command may be run by, as a prefix of it. Whoever it is may read what root may: a clone can be in root's home. */
export const CALLER = {
  root: [],
  user: [...AS_USER, '--'],
  userWithoutNamespaces: [...AS_USER, '--keep-caps', '--', ...NO_FURTHER_NAMESPACE, ...DROP_AMBIENT],
  rootOfContainer: [...AS_ROOT, ...NO_FURTHER_NAMESPACE, ...DROP_BOUNDING],
} satisfies Readonly<Record<string, readonly string[]>>;

/** What a command did. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * A machine without some programs, as the commands see it that are run on it: in a mount namespace of the command's own
 * a file that nobody can execute lies over each. The machine itself keeps them. The real `apt-get` is always covered.
 */
export class BareMachine implements Disposable {
  // Not a name that `traces` takes for a lab's.
  readonly #directory = mkdtempSync(join(tmpdir(), 'bare-machine-'));
  readonly #programs = join(this.#directory, 'bin');
  readonly #temporary = join(this.#directory, 'tmp');
  readonly #aptGetLog = join(this.#directory, 'apt-get.log');
  readonly #covered: readonly string[];

  /**
   * `lacks` names programs. `aptGet` is the shell script that serves as `apt-get`; none if absent. In it, the command
   * `uncover` brings the programs back.
   */
  constructor(options: { readonly lacks?: readonly string[]; readonly aptGet?: string }) {
    const { lacks = [], aptGet } = options;
    this.#covered = locatePrograms(lacks);
    mkdirSync(this.#programs);
    mkdirSync(this.#temporary);
    writeFileSync(this.#aptGetLog, '');
    this.#addProgram('uncover', `exec umount ${this.#covered.join(' ')}`);
    if (aptGet !== undefined) this.#addProgram('apt-get', `echo "$*" >>'${this.#aptGetLog}'\n${aptGet}`);
  }

  /** Runs `command` as `caller` and waits for its end, for at most 20 s. */
  run(command: readonly string[], caller: keyof typeof CALLER = 'root'): Outcome {
    const covered = [...this.#covered, ...locatePrograms(['apt-get'])];
    const cover = `for program in ${covered.join(' ')}; do mount --bind /dev/null "$program"; done; exec "$@"`;
    const argv = ['--mount', '--', 'sh', '-ec', cover, 'sh', ...CALLER[caller], ...command];
    const { status, stdout, stderr } = spawnSync('unshare', argv, {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
      env: { PATH: `${this.#programs}:${process.env['PATH']}`, TMPDIR: this.#temporary },
    });
    return { status, stdout, stderr };
  }

  /** Arguments of each run of `apt-get` so far. */
  aptGetRuns(): string[] {
    return readFileSync(this.#aptGetLog, 'utf8').split('\n').slice(0, -1);
  }

  /** What the commands have left in the folder for temporary files. */
  leftBehind(): string[] {
    return readdirSync(this.#temporary);
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }

  #addProgram(name: string, script: string): void {
    writeFileSync(join(this.#programs, name), `#!/bin/sh\n${script}\n`, { mode: EXECUTABLE });
  }
}

/** Where `programs` really are: the files behind links, each once. */
function locatePrograms(programs: readonly string[]): string[] {
  const folders = `${process.env['PATH']}:${STANDARD_PATH}`.split(delimiter).filter((folder) => folder !== '');
  const paths = folders.flatMap((folder) => programs.map((program) => join(folder, program)));
  return [...new Set(paths.filter((path) => existsSync(path)).map((path) => realpathSync(path)))];
}
