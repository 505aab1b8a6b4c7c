/** How much clients may do. */
import { bool, float64, int8, int16, int32, string, structs } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const describeClientQuotasRequest = message(
  'DescribeClientQuotasRequest',
  { versions: '0-1', flexible: '1+' },
  {
    components: structs({
      entityType: string(),
      matchType: int8(),
      match: string({ nullable: '0+' }),
    }),
    strict: bool(),
  },
);

export const describeClientQuotasResponse = message(
  'DescribeClientQuotasResponse',
  { versions: '0-1', flexible: '1+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ entity: 'message', nullable: '0+' }),
    entries: structs(
      {
        entity: structs({
          entityType: string(),
          entityName: string({ nullable: '0+' }),
        }),
        values: structs({
          key: string(),
          value: float64(),
        }),
      },
      { nullable: '0+' },
    ),
  },
);

export const alterClientQuotasRequest = message(
  'AlterClientQuotasRequest',
  { versions: '0-1', flexible: '1+' },
  {
    entries: structs({
      entity: structs({
        entityType: string(),
        entityName: string({ nullable: '0+' }),
      }),
      ops: structs({
        key: string(),
        value: float64(),
        remove: bool(),
      }),
    }),
    validateOnly: bool(),
  },
);

export const alterClientQuotasResponse = message(
  'AlterClientQuotasResponse',
  { versions: '0-1', flexible: '1+' },
  {
    throttleTimeMs: int32(),
    entries: structs({
      errorCode: int16(),
      errorMessage: string({ entity: 'message', nullable: '0+' }),
      entity: structs({
        entityType: string(),
        entityName: string({ nullable: '0+' }),
      }),
    }),
  },
);
