import { tmpdir } from 'node:os';
import process from 'node:process';
import { type LabBase, locateLabBase } from '../state/state-directory.ts';

/** Variables of the process that starts or uses a lab: PATH, HOME, LANG, XDG_RUNTIME_DIR and TMPDIR are looked at. */
export type Environment = Readonly<Record<string, string | undefined>>;

const FALLBACK_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The folder of the caller's labs. Throws LAB_STATE_UNSAFE. */
export function baseOf(environment: Environment): LabBase {
  return locateLabBase({
    runtimeDirectory: environment['XDG_RUNTIME_DIR'],
    temporaryDirectory: environment['TMPDIR'] ?? tmpdir(),
    uid: ownUid(),
  });
}

/** The caller's user id. Not from `os.userInfo`, which throws for one without an entry in `/etc/passwd`, as in containers. */
export function ownUid(): number {
  return process.getuid?.() ?? -1;
}

/** Where programs are looked for. */
export function pathOf(environment: Environment): string {
  const own = environment['PATH'];
  // An ordinary user's PATH often lacks the sbin folders, where ip and iptables are.
  return own === undefined ? FALLBACK_PATH : `${own}:${FALLBACK_PATH}`;
}
