/** A few rooms of sensors, so that a fresh broker has something to show. */
const ROOMS = ['kitchen', 'office', 'workshop', 'hall'];
const INTERVAL_MS = 100;

export function createSampleTraffic(
  publish: (topic: string, payload: string) => void,
): (on: boolean) => void {
  const celsius = new Map(ROOMS.map((room, index) => [room, 19 + index]));
  let timer: ReturnType<typeof setInterval> | undefined;

  function reading(): void {
    const room = ROOMS[Math.floor(Math.random() * ROOMS.length)] as string;
    const value = (celsius.get(room) ?? 20) + (Math.random() - 0.5) / 5;
    celsius.set(room, value);
    switch (Math.floor(Math.random() * 4)) {
      case 0:
        publish(
          `demo/${room}/power`,
          JSON.stringify({ watts: Math.round(40 + Math.random() * 900), phase: 1 }),
        );
        break;
      case 1:
        publish(`demo/${room}/light`, Math.random() < 0.5 ? 'on' : 'off');
        break;
      default:
        publish(`demo/${room}/temperature`, value.toFixed(2));
    }
  }

  return (on) => {
    clearInterval(timer);
    if (on) timer = setInterval(reading, INTERVAL_MS);
  };
}
