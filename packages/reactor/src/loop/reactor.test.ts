import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EPOLLIN } from '../native/kernel-constants.ts';
import { Loopback } from '../native/loopback.ts';
import { Reactor } from './reactor.ts';

const ENOTSOCK = 88;

let reactor: Reactor;
let calls: string[];

beforeEach(() => {
  reactor = new Reactor({ slabBytes: 262_144, debug: true });
  calls = [];
});
afterEach(() => reactor.close());

const call = (name: string): (() => void) => {
  return () => void calls.push(name);
};
const fault = (): never => {
  calls.push('fault');
  throw new Error('a fault of its own');
};

function turnThrows(): void {
  expect(() => reactor.turn(0)).toThrow('a fault of its own');
}

/** The eventfd is watched by level: written to, it is ready. */
function wake(): void {
  const at = reactor.arena.reserve(8);
  reactor.arena.view.setBigUint64(at, 1n, true);
  expect(reactor.calls.write(reactor.wakeDescriptor, at, 8)).toBe(8);
}

/** A descriptor that is ready in the next turn; answers its token. */
function watchReady(ready: () => void): number {
  const descriptor = reactor.calls.eventDescriptor();
  const at = reactor.arena.reserve(8);
  reactor.arena.view.setBigUint64(at, 1n, true);
  reactor.calls.write(descriptor, at, 8);
  const token = reactor.epoll.add(descriptor, EPOLLIN, {
    ready: () => {
      reactor.epoll.remove(token);
      reactor.calls.close(descriptor);
      ready();
    },
  });
  return token;
}

describe('a turn', () => {
  test('is timers, events, what goes on, callbacks, what was lent, flushes', () => {
    reactor.flushAtEnd({ flush: call('flush') });
    reactor.atEndOfTurn(call('callback'));
    reactor.lend({ settle: call('settle') });
    reactor.goOnNextTurn({ goOn: call('goOn') });
    watchReady(call('event'));
    reactor.after(0, call('timer'));
    reactor.turn(0);
    expect(calls).toEqual(['timer', 'event', 'goOn', 'callback', 'settle', 'flush']);
    reactor.turn(0);
    expect(calls.length).toBe(6);
  });

  test('calls at its end what a callback at the end asks for, before anything is flushed', () => {
    reactor.atEndOfTurn(() => {
      calls.push('first');
      reactor.flushAtEnd({ flush: call('flush') });
      reactor.atEndOfTurn(call('second'));
    });
    reactor.turn(0);
    expect(calls).toEqual(['first', 'second', 'flush']);
  });

  test('calls what a flush asks for, and flushes that, too', () => {
    reactor.flushAtEnd({
      flush: () => {
        calls.push('flush');
        reactor.atEndOfTurn(() => {
          calls.push('written');
          reactor.lend({ settle: call('settle') });
          reactor.flushAtEnd({ flush: call('flush of the answer') });
        });
      },
    });
    reactor.turn(0);
    expect(calls).toEqual(['flush', 'written', 'settle', 'flush of the answer']);
  });

  test('ends though a callback asks for itself for ever: flushed all the same, it goes on without waiting', () => {
    let times = 0;
    const again = (): void => {
      times++;
      reactor.atEndOfTurn(again);
    };
    reactor.atEndOfTurn(again);
    reactor.flushAtEnd({ flush: call('flush') });
    reactor.lend({ settle: call('settle') });
    reactor.turn();
    expect(calls).toEqual(['settle', 'flush']);
    const first = times;
    expect(first).toBeGreaterThan(1);
    expect(first).toBeLessThan(100);
    const start = performance.now();
    for (let turn = 0; turn < 50; turn++) reactor.turn();
    expect(times).toBe(51 * first);
    // Fifty times the longest wait would be 5 s.
    expect(performance.now() - start).toBeLessThan(2_500);
  });

  test('ends though a flush asks for itself for ever, and nothing lent outlives it', () => {
    let times = 0;
    const socket = {
      flush: (): void => {
        times++;
        reactor.lend({ settle: call('settle') });
        reactor.flushAtEnd(socket);
      },
    };
    reactor.flushAtEnd(socket);
    reactor.turn();
    expect(times).toBeLessThan(100);
    expect(calls.length).toBe(times);
  });

  test('does not wait if something is due at its end already', () => {
    const asks = [
      () => reactor.atEndOfTurn(call('callback')),
      () => reactor.flushAtEnd({ flush: call('flush') }),
      () => reactor.lend({ settle: call('settle') }),
      () => reactor.goOnNextTurn({ goOn: call('goOn') }),
    ];
    const start = performance.now();
    for (let time = 0; time < 50; time++)
      for (const ask of asks) {
        ask();
        reactor.turn();
      }
    expect(calls.length).toBe(200);
    // Fifty times the longest wait would be 5 s.
    expect(performance.now() - start).toBeLessThan(2_500);
  });

  test('is counted with its length', () => {
    reactor.turns.drain();
    reactor.turn(0);
    reactor.turn(20);
    const { turns, totalMs, longestMs } = reactor.turns.drain();
    expect(turns).toBe(2);
    expect(totalMs).toBeGreaterThanOrEqual(longestMs);
    expect(longestMs).toBeGreaterThan(0);
  });

  test('reads the clock once', () => {
    const times: number[] = [];
    reactor.atEndOfTurn(() => {
      times.push(reactor.now());
      const until = performance.now() + 2;
      while (performance.now() < until);
      times.push(reactor.now());
    });
    reactor.turn(0);
    expect(times[0]).toBe(times[1]);
    const before = performance.now();
    reactor.turn(0);
    expect(reactor.now()).toBeGreaterThanOrEqual(before);
    expect(reactor.now()).toBeLessThanOrEqual(performance.now());
  });
});

describe('one that throws comes out of the turn, is not called again, and the next turn does the rest:', () => {
  test.each(['timer', 'event', 'goOn', 'callback', 'settle', 'flush'])('%s', (kind) => {
    const pick = (name: string): (() => void) => (name === kind ? fault : call(name));
    reactor.after(0, pick('timer'));
    reactor.after(0, call('later timer'));
    watchReady(pick('event'));
    reactor.goOnNextTurn({ goOn: pick('goOn') });
    reactor.goOnNextTurn({ goOn: call('later goOn') });
    reactor.atEndOfTurn(pick('callback'));
    reactor.atEndOfTurn(call('later callback'));
    reactor.lend({ settle: pick('settle') });
    reactor.lend({ settle: call('later settle') });
    reactor.flushAtEnd({ flush: pick('flush') });
    reactor.flushAtEnd({ flush: call('later flush') });
    turnThrows();
    const start = performance.now();
    reactor.turn(10_000);
    expect(performance.now() - start).toBeLessThan(5_000);
    const kinds = ['timer', 'event', 'goOn', 'callback', 'settle', 'flush'];
    const rest = ['later timer', 'later goOn', 'later callback', 'later settle', 'later flush'];
    expect(calls.toSorted()).toEqual([...kinds.filter((name) => name !== kind), ...rest, 'fault'].toSorted());
    reactor.turn(0);
    expect(calls.length).toBe(11);
  });

  test('an event of many', () => {
    watchReady(fault);
    watchReady(call('second'));
    watchReady(fault);
    watchReady(call('fourth'));
    turnThrows();
    turnThrows();
    reactor.turn(0);
    expect(calls.toSorted()).toEqual(['fault', 'fault', 'fourth', 'second']);
  });
});

describe('what is lent', () => {
  test('is settled at once when somebody is about to read, and not again', () => {
    reactor.lend({ settle: call('first') });
    reactor.lend({ settle: call('second') });
    reactor.settle();
    expect(calls).toEqual(['first', 'second']);
    reactor.settle();
    reactor.turn(0);
    expect(calls).toEqual(['first', 'second']);
  });

  test('is settled for the others, too, if one of them throws', () => {
    reactor.lend({ settle: fault });
    reactor.lend({ settle: call('second') });
    expect(() => reactor.settle()).toThrow('a fault of its own');
    reactor.lend({ settle: call('third') });
    reactor.settle();
    expect(calls).toEqual(['fault', 'second', 'third']);
  });
});

describe('goOnNextTurn', () => {
  test('lets everybody else have their turn between', () => {
    let left = 5;
    const greedy = {
      goOn: (): void => {
        calls.push('greedy');
        if (--left > 0) reactor.goOnNextTurn(greedy);
      },
    };
    reactor.goOnNextTurn(greedy);
    reactor.goOnNextTurn({ goOn: call('modest') });
    for (let turn = 0; turn < 3; turn++) {
      watchReady(call(`event ${turn}`));
      reactor.turn();
    }
    expect(calls).toEqual(['event 0', 'greedy', 'modest', 'event 1', 'greedy', 'event 2', 'greedy']);
  });

  test('is the next turn for one that asks in a timer or an event', () => {
    reactor.goOnNextTurn({ goOn: call('asked before') });
    reactor.after(0, () => reactor.goOnNextTurn({ goOn: call('from a timer') }));
    watchReady(() => reactor.goOnNextTurn({ goOn: call('from an event') }));
    reactor.turn(0);
    expect(calls).toEqual(['asked before']);
    reactor.turn();
    expect(calls).toEqual(['asked before', 'from a timer', 'from an event']);
  });
});

describe('timers', () => {
  test.each([0, 1, 5, 20])('one of %d ms fires in the turn that waits for it, and not before', (ms) => {
    const start = performance.now();
    reactor.after(ms, call('fired'));
    reactor.turn();
    expect(calls).toEqual(['fired']);
    expect(performance.now() - start).toBeGreaterThanOrEqual(ms);
  });

  test('no turn sleeps past one', () => {
    const start = performance.now();
    for (let time = 0; time < 50; time++) {
      reactor.after(1, call('fired'));
      reactor.turn();
    }
    expect(calls.length).toBe(50);
    // Fifty times the longest wait would be 5 s.
    expect(performance.now() - start).toBeLessThan(2_500);
  });

  test.each([-5, Number.NaN])('%d milliseconds are none', (ms) => {
    reactor.after(ms, call('fired'));
    reactor.turn();
    expect(calls).toEqual(['fired']);
  });

  test('one that asks for itself with 0 ms fires once a turn', () => {
    const again = (): void => {
      calls.push('again');
      reactor.after(0, again);
    };
    reactor.after(0, again);
    for (let turn = 0; turn < 3; turn++) reactor.turn(0);
    expect(calls.length).toBe(3);
  });

  test('cancelled ones do not fire, and wake nobody', () => {
    reactor.after(0, call('fired')).cancel();
    reactor.turn(0);
    expect(calls).toEqual([]);
  });
});

test('the wake-up is read: one is one', () => {
  wake();
  wake();
  expect(reactor.epoll.wait(0)).toBe(1);
  reactor.epoll.tell();
  expect(reactor.epoll.wait(0)).toBe(0);
});

test('a closed reactor has no turns; closing twice closes nobody else', () => {
  const loopback = new Loopback(reactor.arena, reactor.calls);
  const token = watchReady(call('event'));
  reactor.close();
  const other = new Reactor({ slabBytes: 16_384 });
  reactor.close();
  const heirs = [other.calls.eventDescriptor(), other.wakeDescriptor];
  reactor.close();
  other.turn(0);
  for (const heir of heirs) expect(other.calls.setOption(heir, 1, 1, 1)).toBe(-ENOTSOCK);
  other.calls.close(heirs[0]!);
  other.close();
  reactor.epoll.remove(token);
  expect(() => reactor.turn()).toThrow(expect.objectContaining({ code: 'REACTOR_CLOSED' }));
  expect(() => loopback.pipe()).toThrow(expect.objectContaining({ code: 'REACTOR_CLOSED' }));
  expect(calls).toEqual([]);
});

test.each([0, -1, Number.NaN])('slabBytes %d is refused', (slabBytes) => {
  expect(() => new Reactor({ slabBytes })).toThrow(expect.objectContaining({ code: 'REACTOR_INVALID_ARGUMENT' }));
});

test('there are as many slabs as were asked for, and room beside them', () => {
  using small = new Reactor({ slabBytes: 16_385 });
  expect(small.slabs.left).toBe(2);
  expect(small.arena.free).toBeGreaterThan(2_097_152);
});
