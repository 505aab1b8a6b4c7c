/** Items 36 to 40 of the security checklist, as far as they are decided here: the ways of messages are tested where they go. */
import { describe, expect, it } from 'vitest';
import { kafkaAddress } from '../../../src/security/authorization/addresses.ts';
import type { Action } from '../../../src/security/security.ts';
import { principal } from '../principals.ts';
import { allow, authorizationOf, deny, placeholder } from './fixture.ts';

describe('item 36: a denial wins, however a message comes or goes', () => {
  const ann = principal();
  const forms = [
    ['exact', 'a/b'],
    ['one level', 'a/+'],
    ['all below', 'a/#'],
    ['everything', '#'],
  ] as const;

  for (const [form, filter] of forms) {
    it(`${form}: denied, then allowed by something wider and by something narrower`, () => {
      const authorization = authorizationOf([
        allow(['publish', 'subscribe'], '#'),
        deny(['publish', 'subscribe'], filter),
        allow(['publish', 'subscribe'], 'a/b'),
      ]);
      expect(authorization.mayPublish(ann, 'a/b')).toBe(false);
      expect(authorization.mayPublish(ann, '$delayed/5/a/b')).toBe(false);
      expect(authorization.mayReceive(ann, 'a/b')).toBe(false);
      for (const subscription of ['a/b', '$share/g/a/b', '$queue/a/b']) {
        expect(authorization.maySubscribe(ann, subscription)).toBe(false);
      }
    });

    it(`${form}: allowed, and nothing is said of the rest`, () => {
      const authorization = authorizationOf([allow(['publish', 'subscribe'], filter)]);
      for (const subscription of ['a/b', filter, `$share/g/${filter}`, `$queue/${filter}`]) {
        expect(authorization.maySubscribe(ann, subscription)).toBe(true);
        expect(authorization.hasDenialsWithin(ann, subscription)).toBe(false);
      }
      expect(authorization.mayPublish(ann, '$delayed/5/a/b')).toBe(true);
      expect(authorization.mayReceive(ann, 'a/b')).toBe(true);
      expect(authorization.mayReceive(ann, '$other/b')).toBe(false);
    });
  }

  it('a subscription over a denial is granted, and the denied topic is not delivered', () => {
    const authorization = authorizationOf([allow('subscribe', 'a/#'), deny('subscribe', 'a/secret/#')]);
    for (const filter of ['a/#', '$share/g/a/#', '$queue/a/#', 'a/+']) {
      expect(authorization.maySubscribe(ann, filter)).toBe('partly');
    }
    expect(authorization.maySubscribe(ann, 'a/open/#')).toBe(true);
    expect(authorization.maySubscribe(ann, 'a/secret/x')).toBe(false);
    expect(authorization.mayReceive(ann, 'a/open')).toBe(true);
    expect(authorization.mayReceive(ann, 'a/secret')).toBe(false);
    expect(authorization.mayReceive(ann, 'a/secret/deep/er')).toBe(false);
  });

  it('a subscription wider than what is allowed is refused, or narrowed where that is configured', () => {
    const rules = [allow('subscribe', ['a/#', 'b/+'])];
    expect(authorizationOf(rules).maySubscribe(ann, '#')).toBe(false);
    expect(authorizationOf(rules).decide(ann, 'subscribe', '#', true).reason).toBe('too-wide');
    const narrow = authorizationOf(rules, { wideSubscriptions: 'narrow' });
    expect(narrow.maySubscribe(ann, '#')).toBe('partly');
    expect(narrow.maySubscribe(ann, 'c/#')).toBe(false);
    expect(narrow.mayReceive(ann, 'b/x')).toBe(true);
    expect(narrow.mayReceive(ann, 'b/x/y')).toBe(false);
  });

  it('the same rules hold for names of Kafka', () => {
    const kafka = principal({ protocol: 'kafka' });
    const authorization = authorizationOf([
      allow(['publish', 'manage'], 'orders/+'),
      deny('publish', 'orders/secret'),
    ]);
    expect(authorization.mayPublish(kafka, kafkaAddress('orders.eu'))).toBe(true);
    expect(authorization.mayPublish(kafka, kafkaAddress('orders.secret'))).toBe(false);
    expect(authorization.mayPublish(kafka, kafkaAddress('orders'))).toBe(false);
    expect(authorization.decide(kafka, 'manage', kafkaAddress('orders.eu')).isAllowed).toBe(true);
    expect(authorization.decide(kafka, 'manage', 'orders/+', true).isAllowed).toBe(true);
    expect(authorization.decide(kafka, 'manage', 'orders/#', true).isAllowed).toBe(false);
  });

  it('without a match everything is refused, but for anonymous clients of a listener that is open on this machine', () => {
    const authorization = authorizationOf([]);
    const open = principal({ userName: undefined, listener: 'loopback' });
    for (const who of [ann, principal({ userName: undefined }), principal({ listener: 'loopback' })]) {
      expect(authorization.mayPublish(who, 'a')).toBe(false);
      expect(authorization.maySubscribe(who, 'a')).toBe(false);
    }
    expect(authorization.mayPublish(open, 'a')).toBe(true);
    expect(authorization.maySubscribe(open, '$SYS/#')).toBe(true);
    expect(authorization.mayPublish(open, '$own/a')).toBe(false);
    expect(authorizationOf([], { noMatch: 'deny' }).mayPublish(open, 'a')).toBe(false);
    expect(authorizationOf([], { noMatch: 'allow' }).mayPublish(ann, 'a')).toBe(true);
    expect(authorizationOf([deny('publish', 'a')], { noMatch: 'allow' }).mayPublish(ann, 'a')).toBe(false);
  });

  it('a wildcard in front does not reach names that begin with $', () => {
    const authorization = authorizationOf([allow(['publish', 'subscribe'], ['#', '+/x'])]);
    expect(authorization.maySubscribe(ann, '#')).toBe(true);
    expect(authorization.maySubscribe(ann, '$SYS/#')).toBe(false);
    expect(authorization.mayReceive(ann, '$SYS/x')).toBe(false);
    expect(authorization.mayPublish(ann, '$own/x')).toBe(false);
    expect(authorizationOf([allow('publish', '$own/#')]).mayPublish(ann, '$own/x')).toBe(true);
  });
});

describe('item 37: names of clients widen nothing', () => {
  const rules = [
    allow(
      ['publish', 'subscribe'],
      ['u', 'c', 'n'].map(
        (each, i) => `${each}/${placeholder(['username', 'clientid', 'certname'][i] ?? '')}/#`,
      ),
    ),
  ];
  const authorization = authorizationOf(rules);

  for (const name of ['+', '#', 'a/b', 'a/#', '', 'x\0y']) {
    it(`${JSON.stringify(name)} matches nothing`, () => {
      const who = principal({ userName: name, clientId: name, certificateName: name });
      for (const first of ['u', 'c', 'n']) {
        for (const topic of [
          `${first}/x`,
          `${first}/a/b`,
          `${first}/a`,
          `${first}//x`,
          `${first}/+/x`,
          first,
        ]) {
          expect(authorization.mayPublish(who, topic)).toBe(false);
          expect(authorization.mayReceive(who, topic)).toBe(false);
        }
        for (const filter of [`${first}/${name}/#`, `${first}/#`, `${first}/+/x`]) {
          expect(authorization.maySubscribe(who, filter)).toBe(false);
        }
      }
    });
  }

  for (const name of ['.*', '^x|y$', '%u', placeholder('username'), placeholder('clientid'), '$x', '$SYS']) {
    it(`${JSON.stringify(name)} is a level like another`, () => {
      const who = principal({ userName: name, clientId: 'c', certificateName: undefined });
      expect(authorization.mayPublish(who, `u/${name}/x`)).toBe(true);
      expect(authorization.maySubscribe(who, `u/${name}/#`)).toBe(true);
      expect(authorization.mayPublish(who, 'u/x/x')).toBe(false);
      expect(authorization.mayPublish(who, 'u/bob/x')).toBe(false);
      expect(authorization.mayPublish(who, `n/${name}/x`)).toBe(false);
    });
  }

  it('a name with $ in front opens no name of the broker, and a denial of it stands', () => {
    const who = principal({ userName: '$SYS' });
    const first = authorizationOf([allow(['publish', 'subscribe'], `${placeholder('username')}/#`)]);
    expect(first.mayReceive(who, '$SYS/broker/uptime')).toBe(false);
    expect(first.maySubscribe(who, '$SYS/#')).toBe(false);
    const denied = authorizationOf([
      allow('subscribe', '$SYS/#'),
      deny('subscribe', `${placeholder('username')}/#`),
    ]);
    expect(denied.mayReceive(who, '$SYS/broker/uptime')).toBe(false);
  });

  it('a placeholder in a topic is text', () => {
    const who = principal({ userName: 'ann' });
    expect(authorization.mayPublish(who, `u/${placeholder('username')}/x`)).toBe(false);
  });
});

describe('item 38: what is taken away is away at once', () => {
  it('with the role that gave it, and who keeps decisions is told', async () => {
    const authorization = authorizationOf([]);
    const reader = {
      name: 'reader',
      description: '',
      scopes: [],
      rules: [allow(['publish', 'subscribe'], 'a/#')],
    };
    const who = principal({ roles: ['reader'] });
    let told = 0;
    const stop = authorization.onChange(() => told++);
    expect(authorization.maySubscribe(who, 'a/#')).toBe(false);
    expect(await authorization.roles.create(reader)).toEqual({ type: 'changed' });
    await Promise.resolve();
    expect(told).toBe(1);
    expect(authorization.maySubscribe(who, 'a/#')).toBe(true);
    expect(authorization.mayPublish(who, 'a/b')).toBe(true);
    const before = authorization.publisherClass(who);

    await authorization.roles.update({
      ...reader,
      rules: [allow('subscribe', 'a/#'), deny('subscribe', 'a/b')],
    });
    expect(authorization.maySubscribe(who, 'a/#')).toBe('partly');
    expect(authorization.mayReceive(who, 'a/b')).toBe(false);
    expect(authorization.mayPublish(who, 'a/b')).toBe(false);
    expect(authorization.publisherClass(who)).not.toBe(before);

    await authorization.roles.delete('reader');
    expect(authorization.mayReceive(who, 'a/c')).toBe(false);
    await Promise.resolve();
    expect(told).toBe(3);
    stop();
    await authorization.roles.create(reader);
    await Promise.resolve();
    expect(told).toBe(3);
  });

  it('with the configuration that said it; one that makes no sense changes nothing', () => {
    const authorization = authorizationOf([allow('publish', 'a')]);
    const ann = principal();
    expect(authorization.mayPublish(ann, 'a')).toBe(true);
    const base = { noMatch: 'auto', wideSubscriptions: 'refuse' } as const;
    expect(() => authorization.reload({ ...base, rules: [allow('publish', 'a/#/b')] })).toThrow(/entry 0/);
    expect(authorization.mayPublish(ann, 'a')).toBe(true);
    authorization.reload({ ...base, rules: [] });
    expect(authorization.mayPublish(ann, 'a')).toBe(false);
  });
});

describe('item 39: names that are not for clients', () => {
  const everybody = authorizationOf([
    allow(['publish', 'subscribe', 'manage'], ['#', '$SYS/#', '$tenant/#', '$tenant$/#']),
  ]);
  const superuser = principal({ isSuperuser: true });
  const can = (who: typeof superuser, action: Action, topic: string): boolean =>
    everybody.decide(who, action, topic).isAllowed;

  it('the broker alone publishes to its own, whatever rules say', () => {
    for (const who of [principal(), superuser]) {
      for (const topic of [
        '$SYS/broker/uptime',
        '$share/g/a',
        '$queue/a',
        '$delayed/1/$delayed/2/a',
        '$delayed/5/$SYS/x',
        '__consumer_offsets',
        '__transaction_state',
      ]) {
        expect(can(who, 'publish', topic), topic).toBe(false);
      }
    }
    expect(can(principal(), 'publish', '$SYS/broker/connection/edge/state')).toBe(true);
    expect(can(principal(), 'publish', '$SYS/broker/connection/edge/statement')).toBe(false);
    expect(can(principal(), 'subscribe', '$SYS/broker/uptime')).toBe(true);
  });

  it('what tenants have is nobody else’s, but for who is everything', () => {
    for (const topic of ['$tenant/acme/a', '$tenant$/acme/$SYS/a']) {
      for (const action of ['publish', 'subscribe', 'manage'] as const) {
        expect(can(principal(), action, topic)).toBe(false);
        expect(can(principal({ isSuperuser: true, tenant: 'evil' }), action, topic)).toBe(false);
        expect(can(superuser, action, topic)).toBe(true);
      }
    }
    expect(everybody.maySubscribe(principal(), '$tenant/#')).toBe(false);
  });

  it('a shared subscription inside another is no way around', () => {
    for (const filter of [
      '$share/g/$share/h/a',
      '$queue/$share/g/a',
      '$share/g/$delayed/1/a',
      '$share/g/$tenant/acme/#',
    ]) {
      expect(everybody.maySubscribe(principal(), filter), filter).toBe(false);
    }
  });

  it('what is no topic and no filter is refused to everybody', () => {
    for (const topic of ['', 'a/+', '#', 'a\0b', '$delayed/5', '$delayed/5/', '\ud800']) {
      expect(can(superuser, 'publish', topic), topic).toBe(false);
    }
    for (const filter of ['', 'a#', 'a/#/b', '+a', '$share/g', '$share/g/', 'a\0']) {
      expect(everybody.maySubscribe(superuser, filter), filter).toBe(false);
    }
    expect(everybody.mayPublish(superuser, Uint8Array.of(0x61, 0xff))).toBe(false);
  });
});

describe('item 40: somebody else behind the same client identifier', () => {
  it('is somebody else to rules about users, and in another class', () => {
    const authorization = authorizationOf([
      allow('publish', `u/${placeholder('username')}`),
      allow('publish', 'x', { users: ['ann'] }),
    ]);
    const ann = principal();
    const mallory = principal({ userName: 'mallory' });
    expect(authorization.mayPublish(ann, 'u/ann')).toBe(true);
    expect(authorization.mayPublish(mallory, 'u/ann')).toBe(false);
    expect(authorization.mayPublish(mallory, 'x')).toBe(false);
    expect(authorization.publisherClass(ann)).not.toBe(authorization.publisherClass(mallory));
    expect(authorization.publisherClass(principal({ clientId: 'other' }))).toBe(
      authorization.publisherClass(ann),
    );
  });

  it('what a placeholder stands for is each one’s own, however many are alike', () => {
    for (const [name, key] of [
      ['username', 'userName'],
      ['clientid', 'clientId'],
      ['certname', 'certificateName'],
      ['tenant', 'tenant'],
    ] as const) {
      const authorization = authorizationOf([
        allow('publish', `own/${placeholder(name)}`),
        allow('publish', `own/${placeholder(name)}/x`, { listeners: ['mqtt'] }),
      ]);
      const [one, other] = [principal({ [key]: 'one' }), principal({ [key]: 'other' })];
      for (const suffix of ['', '/x']) {
        expect(authorization.mayPublish(one, `own/one${suffix}`)).toBe(true);
        expect(authorization.mayPublish(other, `own/one${suffix}`)).toBe(false);
        expect(authorization.mayPublish(other, `own/other${suffix}`)).toBe(true);
      }
      expect(authorization.publisherClass(one)).not.toBe(authorization.publisherClass(other));
    }
  });

  it('rules of one tenant’s people are not another’s, though the words are the same', () => {
    const authorization = authorizationOf([allow('publish', 'x', { tenants: ['acme'] })]);
    expect(authorization.mayPublish(principal({ tenant: 'acme' }), 'x')).toBe(true);
    expect(authorization.mayPublish(principal({ tenant: 'evil' }), 'x')).toBe(false);
    expect(authorization.mayPublish(principal(), 'x')).toBe(false);
  });
});
