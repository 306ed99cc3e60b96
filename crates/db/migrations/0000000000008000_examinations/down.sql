drop table rescue_examinations;
