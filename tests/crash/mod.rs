//! Power cuts: the real program is killed at any moment, and the files that it lives by are torn, old or gone.

mod away;
mod city;
mod disk;
mod failpoints;
mod guard;
mod init;
mod kills;
mod other;
mod pair;
mod people;
mod process;
mod publish;
mod pull;
mod scene;
mod serving;
mod stolen;
