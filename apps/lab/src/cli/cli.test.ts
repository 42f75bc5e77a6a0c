import { describe, expect, test } from 'vitest';
import { messageOf } from '../errors.ts';
import { buildProgram } from './program.ts';
import { labOptionsOf, splitCommand } from './start-flags.ts';
import { Terminal, wantsColour, wrapWords } from './terminal.ts';

function context() {
  let text = '';
  const write = (more: string): void => {
    text += more;
  };
  const out = new Terminal({ write, colour: false, columns: 80 });
  return {
    environment: { TMPDIR: '/nonexistent' },
    out,
    write,
    warn: () => undefined,
    interrupted: new AbortController().signal,
    written: () => text,
  };
}

describe('a command', () => {
  test.each([
    { text: 'ztunnel', words: ['ztunnel'] },
    { text: '  node   main.ts ', words: ['node', 'main.ts'] },
    { text: `node "a b.ts" 'c d' e\\ f`, words: ['node', 'a b.ts', 'c d', 'e f'] },
    { text: `--x="1 2"'3 4'`, words: ['--x=1 23 4'] },
    { text: `"a \\"b\\" \\n"`, words: ['a "b" \\n'] },
    { text: `''`, words: [''] },
  ])('$text is split as by a shell', ({ text, words }) => {
    expect(splitCommand(text)).toEqual(words);
  });

  test.each(['', '  ', '"a', "'", 'a\\'])('%j is refused', (text) => {
    expect(() => splitCommand(text)).toThrow(expect.objectContaining({ code: 'LAB_ARGUMENT_INVALID' }));
  });
});

describe('flags', () => {
  const flags = { name: 'default', enrol: true, mesh: true };

  test('become options of the lab', async () => {
    const given = { ...flags, ztunnel: ['zt'], ztunnelEnv: ['A=1', 'B=x=y'] };
    expect(await labOptionsOf(context(), given)).toMatchObject({
      name: 'default',
      ztunnel: ['zt'],
      ztunnelEnvironment: { A: '1', B: 'x=y' },
      enrol: true,
    });
  });

  test.each(['A', '=1'])('--ztunnel-env %s is refused', async (text) => {
    const options = labOptionsOf(context(), { ...flags, ztunnelEnv: [text] });
    await expect(options).rejects.toMatchObject({ code: 'LAB_ARGUMENT_INVALID' });
  });

  test.each(['/nonexistent/t.json', import.meta.filename])('%s is refused as a topology, by name', async (topology) => {
    const refusal = { code: 'LAB_TOPOLOGY_INVALID', message: expect.stringContaining(`${topology}: `) };
    await expect(labOptionsOf(context(), { ...flags, topology })).rejects.toMatchObject(refusal);
  });
});

describe('the command line', () => {
  test.each([
    { argv: ['status'] },
    { argv: ['logs'] },
    { argv: ['logs', '-f', '-n', '0'] },
    { argv: ['enrol', 'sleep'] },
    { argv: ['exec', 'sleep', '--', 'curl', '-s', 'httpbin'] },
    { argv: ['ztunnel', 'kill', 'node1'] },
    { argv: ['capture', 'node1'] },
    { argv: ['policy', 'list'] },
    { argv: ['policy', 'delete', 'ap/default/x'] },
    { argv: ['policy', 'apply', import.meta.filename] },
    { argv: ['down'] },
  ])('without a lab $argv.0 says that none runs', async ({ argv }) => {
    const program = buildProgram(context(), () => undefined).exitOverride();
    await expect(program.parseAsync(argv, { from: 'user' })).rejects.toMatchObject({ code: 'LAB_NOT_RUNNING' });
  });

  test('what it tells to type begins with npx: nothing puts the lab on the PATH of a clone', async () => {
    let complaint = '';
    const program = buildProgram(context(), () => undefined)
      .exitOverride()
      .configureOutput({
        writeErr: (text) => {
          complaint += text;
        },
      });
    const failure = await program.parseAsync(['status'], { from: 'user' }).catch(messageOf);
    expect(failure).toContain('`npx lab up --keep`');
    await expect(program.parseAsync(['no-such-command'], { from: 'user' })).rejects.toMatchObject({
      code: 'commander.unknownCommand',
    });
    expect(complaint).toContain('`npx lab --help`');
    const commands = program.commands.map((command) => command.name()).join('|');
    const bare = new RegExp(`(?<!npx )\\blab (${commands})\\b`);
    const subcommands = program.commands.flatMap((command) => command.commands);
    for (const command of [program, ...program.commands, ...subcommands]) {
      expect(command.helpInformation()).toMatch(/^Usage: npx lab /);
      expect(command.helpInformation()).not.toMatch(bare);
    }
  });

  test.each(['-1', '1.5', 'x', ''])('logs -n %j is refused', async (count) => {
    const program = buildProgram(context(), () => undefined);
    for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => undefined });
    const parsing = program.parseAsync(['logs', '-n', count], { from: 'user' });
    await expect(parsing).rejects.toMatchObject({ code: 'commander.invalidArgument' });
  });

  test('a file of policies that cannot be read is told before anything else', async () => {
    const program = buildProgram(context(), () => undefined);
    const parsing = program.parseAsync(['policy', 'apply', '/nonexistent/p.yaml'], { from: 'user' });
    await expect(parsing).rejects.toMatchObject({
      code: 'LAB_ARGUMENT_INVALID',
      message: expect.stringContaining('/nonexistent/p.yaml'),
    });
  });

  test.each([[[]], [['-f', '/nonexistent/p.yaml']]])('policy apply %j is refused', async (files) => {
    const parsing = buildProgram(context(), () => undefined).parseAsync(['policy', 'apply', ...files], {
      from: 'user',
    });
    await expect(parsing).rejects.toMatchObject({ code: 'LAB_ARGUMENT_INVALID' });
  });

  test('down --all without a lab is content', async () => {
    const place = context();
    await buildProgram(place, () => undefined).parseAsync(['down', '--all'], { from: 'user' });
    expect(place.written()).toBe('');
  });
});

describe('terminal', () => {
  test.each([
    { isTty: true, env: {}, colour: true },
    { isTty: false, env: {}, colour: false },
    { isTty: true, env: { NO_COLOR: '1' }, colour: false },
    { isTty: true, env: { NO_COLOR: '' }, colour: true },
    { isTty: true, env: { TERM: 'dumb' }, colour: false },
    { isTty: false, env: { FORCE_COLOR: '1' }, colour: true },
    { isTty: false, env: { FORCE_COLOR: '1', NO_COLOR: '1' }, colour: false },
  ])('tty $isTty, $env: colour $colour', ({ isTty, env, colour }) => {
    const values = new Map(Object.entries(env));
    expect(wantsColour(isTty, (name) => values.get(name))).toBe(colour);
  });

  test('lines are broken at spaces, never inside of words', () => {
    expect(wrapWords('-A CHAIN -p tcp -j ACCEPT', 14, 4)).toEqual(['-A CHAIN -p', '    tcp -j', '    ACCEPT']);
    expect(wrapWords('averyveryverylongword next', 8, 2)).toEqual(['averyveryverylongword', '  next']);
    expect(wrapWords('', 8, 2)).toEqual(['']);
  });

  test('plain text has no escape sequences, and never more than 80 columns', () => {
    const place = context();
    place.out.heading('Title');
    place.out.wrapped('word '.repeat(100).trim(), { emphasis: 'red' });
    expect(place.written()).not.toContain('\u001b');
    expect(
      Math.max(
        ...place
          .written()
          .split('\n')
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(80);
  });
});
