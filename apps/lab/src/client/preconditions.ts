import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { platform } from 'node:process';
import { LabError } from '../errors.ts';
import { buildUnshareCommand } from '../state/bootstrap.ts';
import { findInPath } from './enter.ts';
import { ownUid } from './surroundings.ts';

/** Programs a lab runs, with the package of Debian that has them. */
const TOOLS: Readonly<Record<string, string>> = {
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
  'iptables-restore': 'iptables',
  sh: 'dash',
};

/** A sysctl, the value with which it forbids namespaces and one with which it does not. */
interface NamespaceSetting {
  readonly name: string;
  readonly forbids: string;
  readonly allows: string;
}

/** How many namespaces of a kind a user may have, namespaces(7); the kernel's own choice is some ten thousand too. */
const LIMITS: readonly NamespaceSetting[] = ['mnt', 'net', 'pid', 'ipc'].map(limitOf);
/** What only user namespaces need: the limit, a patch of Debian and Arch, and AppArmor as Ubuntu sets it up from 23.10 on. */
const USER_NAMESPACE_SETTINGS: readonly NamespaceSetting[] = [
  limitOf('user'),
  { name: 'kernel.unprivileged_userns_clone', forbids: '0', allows: '1' },
  { name: 'kernel.apparmor_restrict_unprivileged_userns', forbids: '1', allows: '0' },
];

/** Throws LAB_PLATFORM_UNSUPPORTED, LAB_TOOL_MISSING with the packages to install. */
export function checkPlatform(path: string): void {
  if (platform !== 'linux')
    throw new LabError('LAB_PLATFORM_UNSUPPORTED', `${platform}: the lab is made of Linux namespaces (use a Linux VM)`);
  const missing = Object.keys(TOOLS).filter((tool) => findInPath(tool, path) === undefined);
  const packages = [...new Set(missing.map((tool) => TOOLS[tool]))].join(' ');
  if (missing.length > 0)
    throw new LabError('LAB_TOOL_MISSING', `${missing.join(', ')}: not found (install ${packages})`);
}

/** Throws LAB_NAMESPACES_FORBIDDEN, with what to change: tries the namespaces of a lab, all at once. */
export function checkNamespaces(privileged: boolean, path: string): void {
  const [command = '', ...args] = buildUnshareCommand(privileged, ['true']);
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', env: { PATH: path } });
  if (status === 0) return;
  const uid = ownUid();
  // Another unshare than that of util-linux adds its usage.
  const [said = ''] = stderr.trim().split('\n');
  const remedy = renderRemedy({ uid, privileged, setting: readSetting });
  throw new LabError(
    'LAB_NAMESPACES_FORBIDDEN',
    `this kernel or container does not let uid ${uid} make namespaces: ${said} (${remedy})`,
  );
}

/**
 * What lets a caller make namespaces. `setting` gives the value of a sysctl, undefined where the kernel has none of the
 * name; only those are named that stand in the way. `privileged` as for `buildUnshareCommand`.
 */
export function renderRemedy(caller: {
  readonly uid: number;
  readonly privileged: boolean;
  readonly setting: (name: string) => string | undefined;
}): string {
  const { uid, privileged, setting } = caller;
  const changes = (privileged ? LIMITS : [...LIMITS, ...USER_NAMESPACE_SETTINGS])
    .filter(({ name, forbids }) => setting(name) === forbids)
    .map(({ name, allows }) => `${name}=${allows}`);
  const settings = changes.length === 0 ? [] : [`\`sysctl ${changes.join(' ')}\``];
  if (privileged && settings.length > 0) return settings.join('');
  const rights = 'in a container, give it the rights for namespaces: `docker run --privileged`';
  return [...(uid === 0 ? [] : ['run as root']), ...settings, rights].join(', or ');
}

function readSetting(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function limitOf(kind: string): NamespaceSetting {
  return { name: `user.max_${kind}_namespaces`, forbids: '0', allows: '10000' };
}
