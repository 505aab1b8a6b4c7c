/** Which passwords are taken: long enough, not too long, and none of those that are tried first. */

export interface PasswordPolicy {
  readonly minLength: number;
}

export const MAX_PASSWORD_LENGTH = 128;
/** Of a password in UTF-8: nothing longer is hashed. */
export const MAX_PASSWORD_BYTES = 4 * MAX_PASSWORD_LENGTH;

/** Of at least eight characters, from published lists of leaked ones; and what brokers have been delivered with. */
const COMMONEST: ReadonlySet<string> = new Set(
  (
    '12345678 123456789 1234567890 12345678910 0123456789 987654321 87654321 11111111 00000000 88888888 123123123 ' +
    '12341234 11223344 1q2w3e4r 1q2w3e4r5t 1qaz2wsx 1qazxsw2 qazwsxedc zaq12wsx qwertyui qwertyuiop qwerty12 qwerty123 ' +
    'qwerty1234 asdfghjk asdfghjkl zxcvbnm1 zxcvbnm123 abcdefgh abcd1234 abc12345 abc123456 a1234567 a12345678 a123456789 ' +
    'aa123456 aa12345678 password password1 password12 password123 password1234 passw0rd p@ssw0rd p@ssword pa55word ' +
    'passpass iloveyou iloveyou1 sunshine sunshine1 princess princess1 football football1 baseball baseball1 superman ' +
    'superman1 batman123 trustno1 starwars letmein1 letmein123 welcome1 welcome123 whatever computer internet ' +
    'michelle jennifer jordan23 michael1 charlie1 dragon123 monkey123 liverpool chelsea1 samsung1 q1w2e3r4 ' +
    'q1w2e3r4t5 changeme changeme1 changeit changeit123 secret123 default1 admin123 admin1234 admin12345 administrator ' +
    'administrator1 rootroot root1234 guestguest testtest test1234 test12345 user1234 mosquitto rabbitmq robustmq robustmq1 ' +
    'emqxpublic publicpublic mqttmqtt mqtt1234 kafkakafka adminadmin masterkey access14 freedom1 google123 pokemon1'
  ).split(' '),
);

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Why a password is not taken; undefined when it is. Length is of characters, not of bytes. */
export function passwordFault(
  password: string,
  userName: string,
  { minLength }: PasswordPolicy,
): string | undefined {
  // A text of so many units has more characters in no case; the exact count of a huge one is not worth its memory.
  if (password.length > 2 * MAX_PASSWORD_LENGTH) return tooLong;
  const length = [...password].length;
  if (length > MAX_PASSWORD_LENGTH) return tooLong;
  if (length < minLength) return `the password needs at least ${minLength} characters`;
  if (password.includes('\0')) return 'the password has a NUL in it';
  if (LONE_SURROGATE.test(password)) return 'the password is not well-formed text';
  const lower = password.toLowerCase();
  if (COMMONEST.has(lower)) return 'the password is one of those that are tried first';
  return lower === userName.toLowerCase() ? 'the password is the name of the user' : undefined;
}

const tooLong = `the password has more than ${MAX_PASSWORD_LENGTH} characters`;
