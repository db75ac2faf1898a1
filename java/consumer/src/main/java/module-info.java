/** All that an application says to use rmt. */
module consumer {
    requires dev.rmt;
}
