/** SCRAM credentials of users; passwords never travel, only what is made of them. */
import { bytes, int8, int16, int32, string, structs } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const describeUserScramCredentialsRequest = message(
  'DescribeUserScramCredentialsRequest',
  { versions: '0', flexible: '0+' },
  {
    users: structs(
      {
        name: string(),
      },
      { nullable: '0+' },
    ),
  },
);

export const describeUserScramCredentialsResponse = message(
  'DescribeUserScramCredentialsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ entity: 'message', nullable: '0+' }),
    results: structs({
      user: string(),
      errorCode: int16(),
      errorMessage: string({ entity: 'message', nullable: '0+' }),
      credentialInfos: structs({
        mechanism: int8(),
        iterations: int32(),
      }),
    }),
  },
);

export const alterUserScramCredentialsRequest = message(
  'AlterUserScramCredentialsRequest',
  { versions: '0', flexible: '0+' },
  {
    deletions: structs({
      name: string(),
      mechanism: int8(),
    }),
    upsertions: structs({
      name: string(),
      mechanism: int8(),
      iterations: int32(),
      salt: bytes(),
      saltedPassword: bytes(),
    }),
  },
);

export const alterUserScramCredentialsResponse = message(
  'AlterUserScramCredentialsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    results: structs({
      user: string(),
      errorCode: int16(),
      errorMessage: string({ entity: 'message', nullable: '0+' }),
    }),
  },
);
