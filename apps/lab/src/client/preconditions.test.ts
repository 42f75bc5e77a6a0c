import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LabError } from '../errors.ts';
import { checkNamespaces, checkPlatform, renderRemedy } from './preconditions.ts';

const TOOLS = ['unshare', 'nsenter', 'setpriv', 'mount', 'iptables-restore', 'sh'];
const EXECUTABLE = 0o755;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lab-preconditions-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the programs a lab needs', () => {
  test('are looked for in all of PATH', () => {
    for (const tool of TOOLS) addProgram(tool, 'exit 0');
    expect(() => checkPlatform(`/nonexistent::${folder}`)).not.toThrow();
  });

  test.each([
    { lacks: ['iptables-restore'], says: 'iptables-restore: not found (install iptables)' },
    { lacks: ['mount', 'iptables-restore'], says: 'mount, iptables-restore: not found (install mount iptables)' },
    { lacks: ['unshare', 'nsenter'], says: 'unshare, nsenter: not found (install util-linux)' },
  ])('without $lacks it says: $says', ({ lacks, says }) => {
    for (const tool of TOOLS) if (!lacks.includes(tool)) addProgram(tool, 'exit 0');
    expect(() => checkPlatform(folder)).toThrow(new LabError('LAB_TOOL_MISSING', says));
  });

  test('are not there if they cannot be executed', () => {
    for (const tool of TOOLS) addProgram(tool, 'exit 0');
    chmodSync(join(folder, 'iptables-restore'), 0o644);
    expect(() => checkPlatform(folder)).toThrow(/^iptables-restore: not found/);
  });
});

describe('namespaces that cannot be made', () => {
  test.each([
    { privileged: true, flags: '--mount --net --pid --ipc --fork' },
    { privileged: false, flags: '--mount --net --pid --ipc --user --map-root-user --fork' },
  ])('are tried as the lab will make them: $flags', ({ privileged, flags }) => {
    addProgram('unshare', `case "$*" in "${flags} "*) ;; *) echo "$*" >&2; exit 1;; esac`);
    expect(() => checkNamespaces(privileged, `${folder}:${process.env['PATH']}`)).not.toThrow();
  });

  test('are told in one line, of however many unshare says', () => {
    addProgram('unshare', 'printf "unshare: no such option\\nUsage: unshare\\n" >&2; exit 1');
    expect(() => checkNamespaces(true, `${folder}:${process.env['PATH']}`)).toThrow(
      expect.objectContaining({
        code: 'LAB_NAMESPACES_FORBIDDEN',
        message: expect.stringMatching(/^this kernel or container .* make namespaces: unshare: no such option \(.*\)$/),
      }),
    );
  });
});

const CONTAINER = 'in a container, give it the rights for namespaces: `docker run --privileged`';

test.each<{ who: string; uid: number; privileged: boolean; settings: Record<string, string>; remedy: string }>([
  {
    who: 'an ordinary user whom nothing visible stops',
    uid: 1_000,
    privileged: false,
    settings: { 'user.max_user_namespaces': '96365', 'kernel.unprivileged_userns_clone': '1' },
    remedy: `run as root, or ${CONTAINER}`,
  },
  {
    who: 'an ordinary user without user namespaces',
    uid: 1_000,
    privileged: false,
    settings: { 'user.max_user_namespaces': '0' },
    remedy: `run as root, or \`sysctl user.max_user_namespaces=10000\`, or ${CONTAINER}`,
  },
  {
    who: 'an ordinary user of Debian',
    uid: 1_000,
    privileged: false,
    settings: { 'user.max_user_namespaces': '96365', 'kernel.unprivileged_userns_clone': '0' },
    remedy: `run as root, or \`sysctl kernel.unprivileged_userns_clone=1\`, or ${CONTAINER}`,
  },
  {
    who: 'an ordinary user of Ubuntu, with a second reason',
    uid: 1_000,
    privileged: false,
    settings: { 'user.max_net_namespaces': '0', 'kernel.apparmor_restrict_unprivileged_userns': '1' },
    remedy: `run as root, or \`sysctl user.max_net_namespaces=10000 kernel.apparmor_restrict_unprivileged_userns=0\`, or ${CONTAINER}`,
  },
  { who: 'root of a container', uid: 0, privileged: false, settings: {}, remedy: CONTAINER },
  {
    who: 'root, who needs no user namespaces',
    uid: 0,
    privileged: true,
    settings: { 'user.max_user_namespaces': '0', 'user.max_pid_namespaces': '0' },
    remedy: '`sysctl user.max_pid_namespaces=10000`',
  },
])('the remedy of $who', ({ uid, privileged, settings, remedy }) => {
  expect(renderRemedy({ uid, privileged, setting: (name) => settings[name] })).toBe(remedy);
});

function addProgram(name: string, script: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, name), EXECUTABLE);
}
