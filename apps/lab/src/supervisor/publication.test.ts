import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { LabError } from '../errors.ts';
import { MeshFile } from './mesh-file.ts';
import { Publication } from './publication.ts';

/** Two nodes; `stuck` ones never take a version, `deaf` ones read their file only when they start. */
function world() {
  const folder = mkdtempSync(join(tmpdir(), 'publication-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = new MeshFile(join(folder, 'mesh.yaml'));
  const [stuck, deaf, ended, asked] = [new Set<string>(), new Set<string>(), new Set<string>(), [] as string[]];
  const publication = new Publication(
    file,
    ['node1', 'node2'].map((name) => ({
      name,
      isRunning: () => !ended.has(name),
      update: async () => {
        asked.push(name);
        if (stuck.has(name)) throw new LabError('LAB_ZTUNNEL_NOT_READY', `ztunnel@${name}: stuck`);
        return deaf.has(name);
      },
    })),
  );
  const told = (): string[] => asked.splice(0).toSorted();
  return { file, publication, stuck, deaf, ended, told };
}

test('waits for every node once, and for none while nothing changes', async () => {
  const { publication, deaf, told } = world();
  deaf.add('node2');
  expect(await publication.publish('one')).toEqual(['node2']);
  expect(told()).toEqual(['node1', 'node2']);
  expect(await publication.publish('one')).toEqual([]);
  expect(told()).toEqual([]);
});

test('who has not taken it is asked again, each time, until it has', async () => {
  const { publication, stuck, told } = world();
  stuck.add('node2');
  for (const asked of [['node1', 'node2'], ['node2']]) {
    await expect(publication.publish('one')).rejects.toMatchObject({
      code: 'LAB_ZTUNNEL_NOT_READY',
      message: 'ztunnel@node2: stuck',
    });
    expect(told()).toEqual(asked);
  }
  stuck.clear();
  expect(await publication.publish('one')).toEqual([]);
  expect(told()).toEqual(['node2']);
  await publication.publish('one');
  expect(told()).toEqual([]);
});

test('a version that comes back is a new one: who took it before may go by the one between', async () => {
  const { file, publication, stuck, told } = world();
  await publication.publish('one');
  stuck.add('node2');
  await publication.publish('two').catch(() => undefined);
  publication.replace('one');
  expect(readFileSync(file.path, 'utf8')).toBe('one');
  told();
  stuck.clear();
  await publication.publish('one');
  expect(told()).toEqual(['node1', 'node2']);
});

test('all that failed are told, and who was restarted nevertheless', async () => {
  const { publication, stuck, deaf } = world();
  stuck.add('node1');
  deaf.add('node2');
  await expect(publication.publish('one')).rejects.toThrow(
    /^ztunnel@node1: stuck; restarted ztunnel@node2: connections through it have ended/,
  );
});

test('one that does not run reads the file when it starts; one that has just started has read it', async () => {
  const { publication, ended, told } = world();
  ended.add('node1');
  await publication.publish('one');
  ended.clear();
  expect(told()).toEqual(['node2']);
  await publication.publish('one');
  expect(told()).toEqual([]);
  publication.replace('two');
  const started = publication.version;
  publication.confirm('node1', started);
  publication.confirm('node2', started - 1);
  await publication.publish('two');
  expect(told()).toEqual(['node2']);
});
