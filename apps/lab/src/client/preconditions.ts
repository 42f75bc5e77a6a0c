import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { platform } from 'node:process';
import { LabError } from '../errors.ts';
import { findInPath } from './enter.ts';

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

/** Throws LAB_PLATFORM_UNSUPPORTED, LAB_TOOL_MISSING with the packages to install. */
export function checkPlatform(path: string): void {
  if (platform !== 'linux')
    throw new LabError('LAB_PLATFORM_UNSUPPORTED', `${platform}: the lab is made of Linux namespaces (use a Linux VM)`);
  const missing = Object.keys(TOOLS).filter((tool) => findInPath(tool, path) === undefined);
  const packages = [...new Set(missing.map((tool) => TOOLS[tool]))].join(' ');
  if (missing.length > 0)
    throw new LabError('LAB_TOOL_MISSING', `${missing.join(', ')}: not found (install ${packages})`);
}

/** Throws LAB_NAMESPACES_FORBIDDEN, with what to change. */
export function checkNamespaces(privileged: boolean, path: string): void {
  const args = privileged ? ['--net', 'true'] : ['--user', '--map-root-user', '--net', '--mount', 'true'];
  const { status, stderr } = spawnSync('unshare', args, { encoding: 'utf8', env: { PATH: path } });
  if (status === 0) return;
  const restricted = existsSync('/proc/sys/kernel/apparmor_restrict_unprivileged_userns')
    ? 'sysctl kernel.apparmor_restrict_unprivileged_userns=0'
    : 'sysctl user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1';
  throw new LabError(
    'LAB_NAMESPACES_FORBIDDEN',
    `this kernel or container does not let uid ${userInfo().uid} make namespaces: ${stderr.trim()} (run as root, or \`${restricted}\`)`,
  );
}
